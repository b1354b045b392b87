/** Where the nodes of a scope lie and how large they are, as the canvas shows them. */

import type { Recipe } from "../model/recipe";
import type { Box } from "../model/tidy";
import type { FlowNode } from "./flow";

/** By tab, what the canvas drew last: places of nodes that the document gives none are known only there. */
const drawn = new Map<string, { scope: Recipe; nodes: readonly FlowNode[] }>();

export function noteDrawn(tab: string, scope: Recipe, nodes: readonly FlowNode[]): void {
  drawn.set(tab, { scope, nodes });
}

export const drawnNodes = (tab: string): readonly FlowNode[] => drawn.get(tab)?.nodes ?? [];

const boxOf = (node: FlowNode): Box => ({
  id: node.id,
  at: [node.position.x, node.position.y],
  size: [node.width ?? 0, node.height ?? 0],
});

/** The boxes of nodes; with `notes`, of notes too. */
export function boxesOf(tab: string, _scope?: Recipe, notes = false): Box[] {
  return drawnNodes(tab)
    .filter((node) => node.type === "op" || (notes && node.type === "note"))
    .map(boxOf);
}
