/** What commands are about: the scope that is looked at, and what is selected in it. */

import { activeTab } from "../../commands/store";
import { groups } from "../../model/layout";
import { boxesOf } from "../boxes";
import { inside } from "../frames";
import { activeScope, isEmptyPick, picked, type Scope, selectedNodes } from "../selection";
import { currentView } from "../ui";

export const here = (): Scope | undefined => (currentView() ? activeScope() : undefined);

export const shown = () => here() !== undefined;

export const some = () => {
  const scope = here();
  return scope !== undefined && selectedNodes(scope).length > 0;
};

export const anything = () => {
  const scope = here();
  return scope !== undefined && !isEmptyPick(picked(scope));
};

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

export const hasMeant = () => {
  const scope = here();
  return scope !== undefined && meant(scope).length > 0;
};

export const onTab = (command: (id: string) => void) => () => {
  const tab = activeTab();
  if (tab) command(tab.id);
};
