/** How much of a node what it made takes: worked out from sizes alone, so that wires and frames know before it is drawn. */

import type { ArtefactInfo } from "../api/types";
import { type MediaKind, mediaKind } from "./media";

export const CAPTION = 24;
export const SIDE = 8;
const GAP = 4;
const LARGEST = 320;
const SMALLEST = 48;
const SHOWN = 4;
const OTHERS = 2;
const SHORT_TEXT = 64;
const HEIGHTS: Readonly<Record<MediaKind, number>> = { picture: 0, text: 84, sound: 40, file: 30 };

type Sized = Pick<ArtefactInfo, "media_type" | "width" | "height" | "bytes">;

export interface ResultShape<T extends Sized = ArtefactInfo> {
  /** The whole, with the caption; 0: there is nothing to show. */
  readonly height: number;
  readonly pictures: readonly T[];
  /** Pictures that there is no place for. */
  readonly more: number;
  /** Pictures beside each other, and the height of one. */
  readonly columns: number;
  readonly cell: number;
  readonly others: readonly { readonly item: T; readonly kind: MediaKind; readonly height: number }[];
}

/** One picture in its proportions, up to four as squares; then at most two of what is no picture. */
export function resultShape<T extends Sized>(items: readonly T[], width: number, hidden = false): ResultShape<T> {
  const all = items.filter((item) => mediaKind(item) === "picture");
  const pictures = hidden ? [] : all.slice(0, SHOWN);
  const inner = width - 2 * SIDE;
  const columns = pictures.length > 1 ? 2 : 1;
  const [first] = pictures;
  const cell =
    first === undefined
      ? 0
      : columns === 2
        ? Math.floor((inner - GAP) / 2)
        : Math.round(
            first.width > 0 && first.height > 0
              ? Math.min(LARGEST, Math.max(SMALLEST, (inner * first.height) / first.width))
              : inner,
          );
  const rest = hidden ? [] : items.filter((item) => mediaKind(item) !== "picture").slice(0, OTHERS);
  const others = rest.map((item) => {
    const kind = mediaKind(item);
    return { item, kind, height: kind === "text" && item.bytes <= SHORT_TEXT ? HEIGHTS.file : HEIGHTS[kind] };
  });
  const rows = Math.ceil(pictures.length / columns);
  const parts = [...Array<number>(rows).fill(cell), ...others.map((other) => other.height)];
  const body = parts.reduce((sum, height) => sum + height + GAP, 0);
  const height = items.length === 0 ? 0 : CAPTION + (body > 0 ? body - GAP + SIDE : 0);
  return { height, pictures, more: all.length - pictures.length, columns, cell, others };
}
