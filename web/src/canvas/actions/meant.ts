/** What commands are about: the scope that is looked at, and what is selected in it. */

import { activeTab } from "../../commands/store";
import { chosenFrames, meant } from "../meant";
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

export const hasMeant = () => {
  const scope = here();
  return scope !== undefined && meant(scope).length > 0;
};

export const onTab = (command: (id: string) => void) => () => {
  const tab = activeTab();
  if (tab) command(tab.id);
};

export { chosenFrames, meant };
