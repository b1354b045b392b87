/** What an edit of the selection is about: frames stand for what they hold. */

import { groups } from "../model/layout";
import { boxesOf } from "./boxes";
import { inside } from "./frames";
import { picked, type Scope, selectedNodes } from "./selection";

export const chosenFrames = (scope: Scope): number[] => [...picked(scope).groups];

/** The nodes that a command is about: those selected, and those in selected frames. */
export function meant(scope: Scope): string[] {
  const boxes = boxesOf(scope.tab.id);
  const framed = chosenFrames(scope).flatMap((index) => {
    const group = groups(scope.scope)[index];
    if (!group) return [];
    return group.collapsed ? group.nodes : inside(group, boxes).map((box) => box.id);
  });
  return [...new Set([...selectedNodes(scope), ...framed])];
}
