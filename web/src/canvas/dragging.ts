/**
 * Dragging nodes, frames and notes: one step. What is dragged is only shown at its places so far; the document gets them
 * in one piece at the end, so that a move of the pointer costs nothing but drawing.
 */

import type { NodeChange, ReactFlowInstance } from "@xyflow/react";
import type { RefObject } from "react";
import { editView, useTabs } from "../commands/store";
import type { Point } from "../model/layout";
import type { Recipe } from "../model/recipe";
import { editScope } from "../model/scope";
import { drawnNodes } from "./boxes";
import { duplicate } from "./clipboard";
import type { FlowEdge, FlowNode } from "./flow";
import { insertedIn, wireUnder } from "./insert";
import { type Carried, carriedBy, isPlain, type Moves, moved, NO_MOVES, withCarried } from "./moving";
import { scopeOf } from "./selection";
import { setUi, useUi } from "./ui";

const NOTHING: Carried = { from: new Map(), by: new Map() };

/** A drag that goes on. */
interface Drag {
  readonly label: string;
  readonly carried: Carried;
  readonly copies: ReadonlyMap<string, string>;
  /** Its places so far are only shown: no copies, bends of wires or collapsed frames are among what is dragged. */
  readonly plain: boolean;
  moves: Moves;
}

/** `place`: the scope that is dragged in; `show`: draw what is dragged at its places so far. */
export function dragging(
  tab: string,
  place: string,
  root: RefObject<HTMLDivElement | null>,
  flow: ReactFlowInstance<FlowNode, FlowEdge>,
  show: (moves: Moves) => void,
) {
  const { edit, hold, release } = useTabs.getState();
  let drag: Drag | null = null;
  const move = (changes: NodeChange<FlowNode>[]) => {
    const moves = new Map<string, Point>();
    for (const change of changes) {
      if (change.type === "position" && change.position) moves.set(change.id, [change.position.x, change.position.y]);
    }
    const scope = scopeOf(tab)?.scope;
    if (moves.size === 0 || scope === undefined) return;
    const frames = [...moves.keys()].filter((id) => id.startsWith("group:"));
    const now = drag;
    const carried =
      now?.carried ?? (frames.length ? carriedBy(frames, new Set(moves.keys()), drawnNodes(tab), scope) : NOTHING);
    const all = withCarried(moves, carried);
    if (now?.plain) {
      now.moves = all;
      show(all);
      return;
    }
    const copied = now?.copies.size
      ? new Map(
          [...all].flatMap(([id, to]) => (now.copies.has(id) ? [[now.copies.get(id) as string, to] as const] : [])),
        )
      : all;
    editView(tab, moves.size === 1 ? "Move" : `Move ${moves.size}`, (s) => moved(s, copied), { key: "move" });
  };

  /** The drag is over: what was dragged is where it is shown. `then`: one more edit in the same step. */
  const end = (then?: (scope: Recipe) => Recipe) => {
    if (drag === null) return;
    const { label, plain, moves } = drag;
    const at = place === "" ? [] : place.split("/");
    if (plain) edit(tab, label, (recipe) => editScope(recipe, at, (s) => moved(s, moves)));
    if (then) editView(tab, "Insert into a wire", then);
    drag = null;
    show(NO_MOVES);
    release(tab);
  };
  const start = (event: { altKey: boolean }, _node: unknown, nodes: FlowNode[]) => {
    end();
    const label = nodes.length === 1 ? "Move" : `Move ${nodes.length}`;
    hold(tab, label);
    const scope = scopeOf(tab)?.scope;
    const ids = new Set(nodes.map((node) => node.id));
    if (event.altKey) useTabs.getState().select(tab, ids);
    const copies = event.altKey ? duplicate(true) : new Map<string, string>();
    const frames = nodes.filter((node) => node.type === "frame").map((node) => node.id);
    const carried = scope ? carriedBy(frames, ids, drawnNodes(tab), scope) : NOTHING;
    const plain = scope !== undefined && copies.size === 0 && isPlain([...ids, ...carried.from.keys()], scope);
    drag = { label, carried, copies, plain, moves: NO_MOVES };
  };
  const under = (node: FlowNode): string => {
    if (node.type !== "op" || !root.current || drag?.copies.size) return "";
    const { x: left, y: top } = flow.flowToScreenPosition(node.position);
    const zoom = flow.getZoom();
    const box = { left, top, right: left + (node.width ?? 0) * zoom, bottom: top + (node.height ?? 0) * zoom };
    return wireUnder(tab, node.id, box, root.current);
  };
  const over = (_event: unknown, node: FlowNode, nodes: FlowNode[]) => {
    const into = nodes.length === 1 ? under(node) : "";
    if (into !== useUi.getState().into) setUi({ into });
  };
  const stop = (_event: unknown, node: FlowNode, nodes: FlowNode[]) => {
    const into = nodes.length === 1 ? under(node) : "";
    const insert = into ? insertedIn(tab, node.id, into) : undefined;
    if (useUi.getState().into) setUi({ into: "" });
    end(insert);
  };
  return { move, start, over, stop, end: () => end(), copies: () => drag !== null && drag.copies.size > 0 };
}
