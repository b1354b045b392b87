/** How a picture, or two together, are looked at: the place and zoom, and the buttons that set them. */

import { useCallback, useState } from "react";
import { Icon } from "../../app/icons";
import { atScale, FIT, type Size, type View } from "./zoom";

export interface PictureView {
  view: View;
  setView: (view: View) => void;
  /** What a `ZoomPane` tells of its sizes. */
  told: (pane: Size, picture: Size) => void;
  /** One pixel of the picture for one of the screen. */
  one: () => void;
}

export function usePictureView(): PictureView {
  const [view, setView] = useState<View>(FIT);
  const [sizes, setSizes] = useState<{ pane: Size; picture: Size } | null>(null);
  const told = useCallback((pane: Size, picture: Size) => setSizes({ pane, picture }), []);
  const one = () => sizes && setView(atScale(sizes.pane, sizes.picture, view, 1 / window.devicePixelRatio));
  return { view, setView, told, one };
}

export function ZoomTools({ one, setView }: Pick<PictureView, "one" | "setView">) {
  return (
    <>
      <button type="button" className="btn quiet" onClick={one} title="One pixel for one (1)">
        1:1
      </button>
      <button type="button" className="btn quiet icon" aria-label="Fit" title="Fit (0)" onClick={() => setView(FIT)}>
        <Icon name="fit" />
      </button>
    </>
  );
}
