/** What is selected in a tab, in the document's words. */

import { editView, placeOf, type Tab, tabOf, useTabs } from "../commands/store";
import { reroutes } from "../model/bends";
import type { Picked } from "../model/edits";
import { groups, type Point } from "../model/layout";
import { endOf, own, type Recipe, type Wire, wires } from "../model/recipe";
import { definitionAt } from "../model/scope";
import { wireId } from "./flow";

export interface Scope {
  readonly tab: Tab;
  readonly at: readonly string[];
  readonly scope: Recipe;
}

/** The scope that a tab looks at. */
export function scopeOf(id: string): Scope | undefined {
  const tab = tabOf(id);
  if (tab === undefined) return undefined;
  const at = placeOf(tab);
  return { tab, at, scope: definitionAt(tab.recipe, at) ?? tab.recipe };
}

export const activeScope = (): Scope | undefined => scopeOf(useTabs.getState().active);

/** Selected nodes, in the document's order. */
export const selectedNodes = ({ tab, scope }: Scope): string[] =>
  Object.keys(scope.nodes).filter((id) => tab.selection.has(id));

/** Selected nodes; those of selected frames too. */
export function selectedWires({ tab, scope }: Scope): Wire[] {
  return wires(scope).filter((wire) => tab.selectedWires.has(wireId(wire)));
}

const REROUTE = /^reroute:(.+)→(.+)#(\d+)$/;

export function rerouteOf(id: string): { from: string; to: string; index: number } | undefined {
  const found = REROUTE.exec(id);
  return found ? { from: found[1] as string, to: found[2] as string, index: Number(found[3]) } : undefined;
}

/** Everything that is selected, for removing it. */
export function picked(here: Scope): Picked {
  const { tab, scope } = here;
  const bent = new Map<string, Set<number>>();
  for (const id of tab.selection) {
    const bend = rerouteOf(id);
    if (bend) bent.set(`${bend.from}→${bend.to}`, (bent.get(`${bend.from}→${bend.to}`) ?? new Set()).add(bend.index));
  }
  const kept = reroutes(scope).flatMap((bend) => {
    const gone = bent.get(`${bend.from}→${bend.to}`);
    if (gone === undefined) return [];
    const points = bend.at.filter((_point: Point, index: number) => !gone.has(index));
    return [{ from: endOf(bend.from), to: endOf(bend.to), points }];
  });
  return {
    nodes: new Set(selectedNodes(here)),
    wires: selectedWires(here),
    groups: new Set(groups(scope).flatMap((_, index) => (tab.selection.has(`group:${index}`) ? [index] : []))),
    notes: new Set([...tab.selection].filter((id) => id.startsWith("note:")).map((id) => id.slice(5))),
    reroutes: kept,
  };
}

export const isEmptyPick = (pick: Picked): boolean =>
  pick.nodes.size + pick.wires.length + pick.groups.size + pick.notes.size + pick.reroutes.length === 0;

/** Edit the scope that the active tab looks at. */
export function editActive(label: string, change: (scope: Recipe) => Recipe, options?: { key?: string }): boolean {
  return editView(useTabs.getState().active, label, change, options);
}

export const nodeAt = (here: Scope, id: string) => own(here.scope.nodes, id);
