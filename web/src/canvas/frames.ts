/** Frames: what they hold, folding, fitting to what is in them. */

import { editView, placeOf, tabOf } from "../commands/store";
import { addGroup, changeGroup, type Group, groups, type Point } from "../model/layout";
import type { Recipe } from "../model/recipe";
import { definitionAt } from "../model/scope";
import type { Box } from "../model/tidy";
import { boxesOf } from "./boxes";

const MARGIN = 24;
const TITLE = 44;

/** The boxes whose middle lies in a frame. */
export function inside(group: Group, boxes: readonly Box[]): Box[] {
  return boxes.filter(({ at, size }) => {
    const [x, y] = [at[0] + size[0] / 2, at[1] + size[1] / 2];
    return x >= group.at[0] && y >= group.at[1] && x <= group.at[0] + group.size[0] && y <= group.at[1] + group.size[1];
  });
}

export function toggleFrame(tab: string, index: number): void {
  const found = tabOf(tab);
  if (found === undefined) return;
  const scope = definitionAt(found.recipe, placeOf(found)) ?? found.recipe;
  const group = groups(scope)[index];
  if (group === undefined) return;
  const held = group.collapsed ? [] : inside(group, boxesOf(tab, scope)).map((box) => box.id);
  editView(tab, group.collapsed ? "Expand the frame" : "Collapse the frame", (s) =>
    changeGroup(s, index, { collapsed: !group.collapsed, nodes: held }),
  );
}

/** A frame around boxes. */
export function frameAround(boxes: readonly Box[]): { at: Point; size: Point } {
  const left = Math.min(...boxes.map((b) => b.at[0])) - MARGIN;
  const top = Math.min(...boxes.map((b) => b.at[1])) - TITLE;
  const right = Math.max(...boxes.map((b) => b.at[0] + b.size[0])) + MARGIN;
  const bottom = Math.max(...boxes.map((b) => b.at[1] + b.size[1])) + MARGIN;
  return { at: [left, top], size: [right - left, bottom - top] };
}

export function addFrame(scope: Recipe, boxes: readonly Box[], title: string): Recipe {
  return addGroup(scope, { title, ...frameAround(boxes) });
}

/** A frame as large as what it holds. */
export function fitFrame(scope: Recipe, index: number, boxes: readonly Box[]): Recipe {
  const group = groups(scope)[index];
  const held = group ? inside(group, boxes) : [];
  return held.length ? changeGroup(scope, index, frameAround(held)) : scope;
}
