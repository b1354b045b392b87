/** Moving things: nodes, frames with what they hold, notes, bends of wires. Pure edits of a scope. */

import { reroutes, withReroute } from "../model/bends";
import { changeGroup, changeNote, groups, type Point, withPositions } from "../model/layout";
import { endOf, own, type Recipe } from "../model/recipe";
import { type FlowNode, placed } from "./flow";
import { rerouteOf } from "./selection";

/** Where things go, by the ids that the canvas gives them. */
export type Moves = ReadonlyMap<string, Point>;

export const NO_MOVES: Moves = new Map();

/** Whether moves can be shown by moving what is drawn: no wire's bend and nothing in a collapsed frame is among them. */
export function isPlain(moves: Iterable<string>, scope: Recipe): boolean {
  const all = groups(scope);
  return [...moves].every((id) =>
    id.startsWith("group:") ? !all[Number(id.slice(6))]?.collapsed : !id.startsWith("reroute:"),
  );
}

/** What is drawn, with some of it at other places. */
export function shownMoved(nodes: readonly FlowNode[], moves: Moves): FlowNode[] {
  return nodes.map((node) => {
    const to = moves.get(node.id);
    return to ? placed(node, [Math.round(to[0]), Math.round(to[1])]) : node;
  });
}

export function moved(scope: Recipe, moves: Moves): Recipe {
  const nodes = new Map<string, Point>();
  let result = scope;
  for (const [id, at] of moves) {
    if (id.startsWith("group:")) result = changeGroup(result, Number(id.slice(6)), { at });
    else if (id.startsWith("note:")) result = changeNote(result, id.slice(5), { at });
    else if (id.startsWith("reroute:")) result = movedBend(result, id, at);
    else if (own(scope.nodes, id)) nodes.set(id, at);
  }
  return withPositions(result, nodes);
}

function movedBend(scope: Recipe, id: string, [x, y]: Point): Recipe {
  const bend = rerouteOf(id);
  if (bend === undefined) return scope;
  const found = reroutes(scope).find((item) => item.from === bend.from && item.to === bend.to);
  if (found === undefined) return scope;
  const points = found.at.map((point, i): Point => (i === bend.index ? [x + 8, y + 8] : point));
  return withReroute(scope, endOf(bend.from), endOf(bend.to), points);
}

/** What moves along with frames, where it is when the move begins. */
export interface Carried {
  readonly from: Moves;
  readonly by: ReadonlyMap<string, readonly string[]>;
}

/** What lies in the frames that are moved; what is moved by itself is not carried. */
export function carriedBy(
  frames: readonly string[],
  own: ReadonlySet<string>,
  drawn: readonly FlowNode[],
  scope: Recipe,
): Carried {
  const from = new Map<string, Point>();
  const by = new Map<string, string[]>();
  const places = new Map(drawn.map((node) => [node.id, node]));
  const all = groups(scope);
  for (const frame of frames) {
    const group = all[Number(frame.slice(6))];
    if (group === undefined) continue;
    const hidden = new Set(group.nodes);
    const held = drawn.filter((node) => {
      if (own.has(node.id) || from.has(node.id) || node.id === frame || node.type === "interface") return false;
      if (group.collapsed) return false;
      if (node.type === "ghost") return false;
      const [x, y] = [node.position.x + (node.width ?? 0) / 2, node.position.y + (node.height ?? 0) / 2];
      return (
        x >= group.at[0] && y >= group.at[1] && x <= group.at[0] + group.size[0] && y <= group.at[1] + group.size[1]
      );
    });
    const ids = group.collapsed ? [...hidden] : held.map((node) => node.id);
    by.set(frame, ids);
    from.set(frame, group.at);
    for (const id of ids) {
      const node = places.get(id);
      const at = group.collapsed ? placeIn(scope, id) : node && ([node.position.x, node.position.y] as const);
      if (at) from.set(id, at);
    }
  }
  return { from, by };
}

/** A hidden node's place in the document: it is drawn at its frame. */
function placeIn(scope: Recipe, id: string): Point | undefined {
  const entry = scope.layout?.[id] as { at?: Point } | undefined;
  return Array.isArray(entry?.at) ? entry.at : undefined;
}

/** The moves of frames with those of what they hold. */
export function withCarried(moves: Moves, carried: Carried): Moves {
  const result = new Map(moves);
  for (const [frame, ids] of carried.by) {
    const [to, start] = [moves.get(frame), carried.from.get(frame)];
    if (!to || !start) continue;
    for (const id of ids) {
      const at = carried.from.get(id);
      if (at && !moves.has(id)) result.set(id, [at[0] + to[0] - start[0], at[1] + to[1] - start[1]]);
    }
  }
  return result;
}

/** The bends of a wire with one more, where it is nearest. */
export function withBend(points: readonly Point[], ends: readonly [Point, Point], at: Point): Point[] {
  const all = [ends[0], ...points, ends[1]];
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i + 1 < all.length; i++) {
    const far = distance(at, all[i] as Point, all[i + 1] as Point);
    if (far < least) {
      least = far;
      best = i;
    }
  }
  return [...points.slice(0, best), at, ...points.slice(best)];
}

/** From a point to a segment. */
function distance([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const along = dx * dx + dy * dy;
  const t = along === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / along));
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}
