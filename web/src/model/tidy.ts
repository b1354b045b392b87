/**
 * Placing: tidy up (layers from left to right, deterministic), align, distribute, snap. Works on boxes, so it is used
 * for nodes, notes and reroutes alike, and knows nothing of how they are drawn.
 */

import type { Point } from "./layout";

export interface Box {
  readonly id: string;
  readonly at: Point;
  readonly size: Point;
}

export interface Arrow {
  readonly from: string;
  readonly to: string;
}

export const GRID = 20;
const GAP_X = 80;
const GAP_Y = 40;
const SWEEPS = 6;

export type Places = Map<string, Point>;

/** Layers by the longest way from a source; inside a layer by the middle of what they are linked to. */
export function tidy(boxes: readonly Box[], arrows: readonly Arrow[]): Places {
  if (boxes.length === 0) return new Map();
  const byId = new Map([...boxes].sort((a, b) => (a.id < b.id ? -1 : 1)).map((box) => [box.id, box]));
  const inside = arrows.filter((a) => a.from !== a.to && byId.has(a.from) && byId.has(a.to));
  const layer = layers([...byId.keys()], inside);
  const columns: string[][] = [];
  for (const [id, depth] of layer) {
    while (columns.length <= depth) columns.push([]);
    (columns[depth] as string[]).push(id);
  }
  order(columns, inside);
  const left = Math.min(...boxes.map((box) => box.at[0]));
  const top = Math.min(...boxes.map((box) => box.at[1]));
  return place(columns, byId, inside, [snap(left), snap(top)]);
}

function layers(ids: readonly string[], arrows: readonly Arrow[]): Map<string, number> {
  const into = new Map(ids.map((id) => [id, 0]));
  const outOf = new Map<string, string[]>();
  for (const { from, to } of arrows) {
    into.set(to, (into.get(to) ?? 0) + 1);
    outOf.set(from, [...(outOf.get(from) ?? []), to]);
  }
  const depth = new Map(ids.map((id) => [id, 0]));
  const waiting = new Map(into);
  const todo = ids.filter((id) => into.get(id) === 0);
  const sorted: string[] = [];
  for (let id = todo.shift(); id !== undefined; id = todo.shift()) {
    sorted.push(id);
    for (const to of outOf.get(id) ?? []) {
      depth.set(to, Math.max(depth.get(to) as number, (depth.get(id) as number) + 1));
      waiting.set(to, (waiting.get(to) as number) - 1);
      if (waiting.get(to) === 0) todo.push(to);
    }
  }
  // Sources stand right before what they feed, instead of all in the first column.
  for (const id of sorted.reverse()) {
    const targets = outOf.get(id) ?? [];
    if (into.get(id) === 0 && targets.length) {
      depth.set(id, Math.max(0, Math.min(...targets.map((to) => depth.get(to) as number)) - 1));
    }
  }
  return depth;
}

function order(columns: string[][], arrows: readonly Arrow[]): void {
  const around = new Map<string, string[]>();
  for (const { from, to } of arrows) {
    around.set(from, [...(around.get(from) ?? []), to]);
    around.set(to, [...(around.get(to) ?? []), from]);
  }
  const rank = new Map<string, number>();
  const renumber = (column: string[]) => {
    for (const [i, id] of column.entries()) rank.set(id, (i + 0.5) / column.length);
  };
  for (const column of columns) renumber(column);
  const depth = new Map(columns.flatMap((column, i) => column.map((id) => [id, i] as const)));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const right = sweep % 2 === 0;
    const turn = right ? columns.keys() : [...columns.keys()].reverse();
    for (const i of turn) {
      const column = columns[i] as string[];
      const middle = new Map(
        column.map((id) => {
          const side = (around.get(id) ?? []).filter((n) =>
            right ? (depth.get(n) as number) < i : (depth.get(n) as number) > i,
          );
          const ranks = side.map((n) => rank.get(n) as number);
          return [id, ranks.length ? ranks.reduce((a, b) => a + b, 0) / ranks.length : (rank.get(id) as number)];
        }),
      );
      column.sort((a, b) => (middle.get(a) as number) - (middle.get(b) as number) || (a < b ? -1 : 1));
      renumber(column);
    }
  }
}

function place(
  columns: string[][],
  boxes: ReadonlyMap<string, Box>,
  arrows: readonly Arrow[],
  [left, top]: Point,
): Places {
  const places: Places = new Map();
  const sources = new Map<string, string[]>();
  for (const { from, to } of arrows) sources.set(to, [...(sources.get(to) ?? []), from]);
  let x = left;
  for (const column of columns) {
    if (column.length === 0) continue;
    const wanted = column.map((id) => {
      const feeding = (sources.get(id) ?? []).filter((s) => places.has(s));
      const tops = feeding.map((s) => (places.get(s) as Point)[1]);
      return tops.length ? tops.reduce((a, b) => a + b, 0) / tops.length : top;
    });
    let y = top;
    column.forEach((id, i) => {
      y = Math.max(y, snap(Math.max(top, i === 0 ? (wanted[i] as number) : 0)));
      places.set(id, [x, y]);
      y = snap(y + (boxes.get(id) as Box).size[1] + GAP_Y + GRID / 2);
    });
    x = snap(x + Math.max(...column.map((id) => (boxes.get(id) as Box).size[0])) + GAP_X);
  }
  return places;
}

export const snap = (value: number, grid = GRID): number => Math.round(value / grid) * grid;

export type Side = "left" | "right" | "top" | "bottom" | "centre" | "middle";

/** Boxes moved so that their sides (or centres) are in one line. */
export function align(boxes: readonly Box[], side: Side): Places {
  const axis = side === "left" || side === "right" || side === "centre" ? 0 : 1;
  const share = side === "left" || side === "top" ? 0 : side === "right" || side === "bottom" ? 1 : 0.5;
  const lines = boxes.map((box) => box.at[axis] + box.size[axis] * share);
  const low = Math.min(...boxes.map((box) => box.at[axis]));
  const high = Math.max(...boxes.map((box) => box.at[axis] + box.size[axis]));
  const line = share === 0 ? Math.min(...lines) : share === 1 ? Math.max(...lines) : (low + high) / 2;
  return moved(boxes, axis, (box) => line - box.size[axis] * share);
}

/** The same gap between neighbours; the outermost stay where they are. */
export function distribute(boxes: readonly Box[], direction: "horizontal" | "vertical"): Places {
  const axis = direction === "horizontal" ? 0 : 1;
  const sorted = [...boxes].sort((a, b) => a.at[axis] - b.at[axis] || (a.id < b.id ? -1 : 1));
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (sorted.length < 3 || first === undefined || last === undefined) return new Map();
  const room = last.at[axis] + last.size[axis] - first.at[axis];
  const gap = (room - sorted.reduce((sum, box) => sum + box.size[axis], 0)) / (sorted.length - 1);
  let next = first.at[axis];
  const starts = new Map(
    sorted.map((box) => {
      const start = next;
      next += box.size[axis] + gap;
      return [box.id, start];
    }),
  );
  return moved(sorted, axis, (box) => starts.get(box.id) as number);
}

/** Boxes on the grid. */
export function snapAll(boxes: readonly Box[]): Places {
  return new Map(boxes.map((box) => [box.id, [snap(box.at[0]), snap(box.at[1])]]));
}

function moved(boxes: readonly Box[], axis: 0 | 1, start: (box: Box) => number): Places {
  return new Map(
    boxes.map((box) => [
      box.id,
      axis === 0 ? [Math.round(start(box)), box.at[1]] : [box.at[0], Math.round(start(box))],
    ]),
  );
}
