/** Slicing: a drag over the pane with Alt (or after the command) cuts every wire that it crosses, as one step. */

import { type RefObject, useEffect, useState } from "react";
import { announce } from "../commands/announce";
import { editView } from "../commands/store";
import { setUi, useUi } from "./ui";
import { withoutWires } from "./wiring";

type Spot = readonly [number, number];
const SAMPLES = 32;

/** Points along a drawn wire, in pixels of the window. */
export function sampled(path: SVGPathElement, count = SAMPLES): Spot[] {
  const matrix = path.getScreenCTM();
  if (matrix === null) return [];
  const length = path.getTotalLength();
  return Array.from({ length: count + 1 }, (_, i) => {
    const p = path.getPointAtLength((length * i) / count);
    return [p.x * matrix.a + p.y * matrix.c + matrix.e, p.x * matrix.b + p.y * matrix.d + matrix.f];
  });
}

const side = (a: Spot, b: Spot, p: Spot) => Math.sign((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]));

export const crosses = (a: Spot, b: Spot, c: Spot, d: Spot): boolean =>
  side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b);

/** The drawn wires that a line of points crosses, by id. */
function crossed(root: HTMLElement, cut: readonly Spot[]): string[] {
  const found: string[] = [];
  for (const path of root.querySelectorAll<SVGPathElement>("path[data-wire]")) {
    const points = sampled(path);
    const hit = points.some((p, i) => {
      const next = points[i + 1];
      return next && cut.some((c, j) => j > 0 && crosses(cut[j - 1] as Spot, c, p, next));
    });
    if (hit) found.push(path.dataset.wire ?? "");
  }
  return found;
}

export function Knife({ tab, root }: { tab: string; root: RefObject<HTMLDivElement | null> }) {
  const [line, setLine] = useState<Spot[]>([]);
  const armed = useUi((ui) => ui.knife);
  useEffect(() => {
    const element = root.current;
    if (element === null) return;
    let cut: Spot[] = [];
    let pointer = -1;
    const down = (event: PointerEvent) => {
      const onPane = (event.target as Element).closest(".react-flow__node, .nf-overlay, .react-flow__panel") === null;
      if (event.button !== 0 || !onPane || !(event.altKey || useUi.getState().knife)) return;
      event.preventDefault();
      event.stopPropagation();
      pointer = event.pointerId;
      cut = [[event.clientX, event.clientY]];
      setLine(cut);
    };
    const move = (event: PointerEvent) => {
      if (event.pointerId !== pointer) return;
      event.stopPropagation();
      cut = [...cut, [event.clientX, event.clientY]];
      setLine(cut);
    };
    const up = (event: PointerEvent) => {
      if (event.pointerId !== pointer) return;
      pointer = -1;
      setLine([]);
      setUi({ knife: false });
      if (event.type !== "pointerup" || cut.length < 2) return;
      const ids = new Set(crossed(element, cut));
      if (ids.size === 0) return;
      if (editView(tab, "Slice wires", (s) => withoutWires(s, ids)))
        announce(ids.size === 1 ? "One wire cut" : `${ids.size} wires cut`);
    };
    // React Flow listens to mouse events of its own: they must not see this drag.
    const mouse = (event: MouseEvent) => {
      if (pointer >= 0 || (event.altKey && (event.target as Element).classList.contains("react-flow__pane")))
        event.stopPropagation();
    };
    element.addEventListener("pointerdown", down, true);
    element.addEventListener("mousedown", mouse, true);
    window.addEventListener("pointermove", move, true);
    window.addEventListener("pointerup", up, true);
    window.addEventListener("pointercancel", up, true);
    return () => {
      element.removeEventListener("pointerdown", down, true);
      element.removeEventListener("mousedown", mouse, true);
      window.removeEventListener("pointermove", move, true);
      window.removeEventListener("pointerup", up, true);
      window.removeEventListener("pointercancel", up, true);
    };
  }, [tab, root]);
  const box = root.current?.getBoundingClientRect();
  if (line.length < 2 || !box)
    return armed ? <p className="nf-hint nf-overlay">Drag over wires to cut them · Esc</p> : null;
  return (
    <svg className="nf-knife" aria-hidden="true">
      <polyline points={line.map(([x, y]) => `${x - box.left},${y - box.top}`).join(" ")} />
    </svg>
  );
}
