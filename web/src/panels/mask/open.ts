/** Opening the mask painter, from wherever a picture is. */

import { create } from "zustand";
import type { Upload } from "../../api/types";

export interface MaskJob {
  /** Where the picture's bytes are. */
  address: string;
  /** The picture's file name. */
  name: string;
  /** Gets the upload that was made; without it the user is told its name. */
  onDone?: (upload: Upload) => void;
}

export const useMaskPainter = create<{ job: MaskJob | null }>(() => ({ job: null }));

/** Paint a mask over a picture; the result is an upload: the picture, transparent where masked. */
export const openMaskPainter = (job: MaskJob): void => useMaskPainter.setState({ job });
export const closeMaskPainter = (): void => useMaskPainter.setState({ job: null });
