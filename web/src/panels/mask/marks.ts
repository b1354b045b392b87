/** What was painted, as a list of marks with its own undo. Pure; `MaskPainter` draws it. */

export interface Stroke {
  kind: "paint" | "erase";
  /** Diameter in pixels of the picture. */
  size: number;
  points: readonly (readonly [number, number])[];
}
export type Mark = Stroke | { kind: "clear" } | { kind: "invert" };

export interface Marks {
  done: readonly Mark[];
  undone: readonly Mark[];
}

/** How the mask is shown. Only its opacity counts. */
export const MASK_RGB = [255, 45, 111] as const;
const COLOUR = `rgb(${MASK_RGB.join()})`;

export const NO_MARKS: Marks = { done: [], undone: [] };

export const marked = (marks: Marks, mark: Mark): Marks => ({ done: [...marks.done, mark], undone: [] });

export function unmarked({ done, undone }: Marks): Marks {
  const last = done.at(-1);
  return last === undefined ? { done, undone } : { done: done.slice(0, -1), undone: [last, ...undone] };
}

export function remarked({ done, undone }: Marks): Marks {
  const [next, ...rest] = undone;
  return next === undefined ? { done, undone } : { done: [...done, next], undone: rest };
}

/** Draw one mark on a mask: opaque where masked, transparent elsewhere. */
export function draw(context: CanvasRenderingContext2D, mark: Mark): void {
  const { width, height } = context.canvas;
  context.save();
  if (mark.kind === "clear") context.clearRect(0, 0, width, height);
  else if (mark.kind === "invert") {
    context.globalCompositeOperation = "xor";
    context.fillStyle = COLOUR;
    context.fillRect(0, 0, width, height);
  } else {
    context.globalCompositeOperation = mark.kind === "erase" ? "destination-out" : "source-over";
    context.strokeStyle = context.fillStyle = COLOUR;
    context.lineWidth = mark.size;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    const [first, ...rest] = mark.points;
    if (first && rest.length === 0) {
      context.arc(first[0], first[1], mark.size / 2, 0, 2 * Math.PI);
      context.fill();
    } else {
      for (const [x, y] of mark.points) context.lineTo(x, y);
      context.stroke();
    }
  }
  context.restore();
}

/** The picture with the mask as what is transparent: 0 where fully masked. `mask`: RGBA of the mask's canvas. */
export function withMask(
  picture: Uint8ClampedArray<ArrayBuffer>,
  mask: Uint8ClampedArray,
): Uint8ClampedArray<ArrayBuffer> {
  const made = new Uint8ClampedArray(picture);
  for (let at = 3; at < made.length; at += 4) made[at] = 255 - (mask[at] as number);
  return made;
}
