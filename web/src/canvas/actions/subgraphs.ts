/** Subgraphs: make, unpack, enter, leave. */

import { useCatalogue } from "../../api/catalogue";
import { announce } from "../../commands/announce";
import { activeTab, tabOf, useTabs } from "../../commands/store";
import type { Command } from "../../commands/table";
import { entryOf, withPositions } from "../../model/layout";
import { portsOf } from "../../model/ports";
import { own, SUBWORKFLOW } from "../../model/recipe";
import { definitionAt, findDefinition } from "../../model/scope";
import { makeSubgraph } from "../../model/subgraph";
import { unpackSubgraph } from "../../model/unpack";
import { boxesOf } from "../boxes";
import { activeScope, editActive, type Scope, selectedNodes } from "../selection";
import { hasMeant, here, meant, onTab } from "./meant";

function makeSub(): void {
  const scope = here();
  if (scope === undefined) return;
  const ids = new Set(meant(scope));
  let made = "";
  const done = editActive("Make a subgraph", (s) => {
    const [next, id] = makeSubgraph(withDrawnPlaces(scope, s, ids), ids);
    made = id;
    return next;
  });
  if (done) {
    useTabs.getState().select(scope.tab.id, [made]);
    announce(`Subgraph ${made} made of ${ids.size} nodes`);
  }
}

/** Nodes without a place of their own get the one that they are drawn at, so that they keep it elsewhere. */
function withDrawnPlaces(scope: Scope, recipe: Scope["scope"], ids: ReadonlySet<string>): Scope["scope"] {
  const lost = boxesOf(scope.tab.id).filter((box) => ids.has(box.id) && entryOf(recipe, box.id).at === undefined);
  return lost.length === ids.size ? recipe : withPositions(recipe, new Map(lost.map((box) => [box.id, box.at])));
}

function oneSub(): { scope: Scope; id: string; name: string; at: readonly string[] } | undefined {
  const scope = here();
  if (scope === undefined) return undefined;
  const [id, ...more] = selectedNodes(scope);
  const node = id === undefined || more.length ? undefined : own(scope.scope.nodes, id);
  if (id === undefined || node === undefined) return undefined;
  const ports = portsOf(scope.tab.recipe, scope.at, id, node, useCatalogue.getState());
  const name = ports.definition;
  const at = name === undefined ? undefined : findDefinition(scope.tab.recipe, scope.at, name);
  return name !== undefined && at ? { scope, id, name, at } : undefined;
}

function unpack(): void {
  const found = oneSub();
  const definition = found && definitionAt(found.scope.tab.recipe, found.at);
  if (found === undefined || definition === undefined) return;
  let ids: string[] = [];
  const done = editActive("Unpack the subgraph", (s) => {
    const [next, made] = unpackSubgraph(s, found.id, definition);
    ids = made;
    return next;
  });
  if (done) useTabs.getState().select(found.scope.tab.id, ids);
}

/** Look into the subgraph of a node. */
export function enter(tab: string, id: string): boolean {
  const found = tabOf(tab);
  const scope = found && activeScope();
  const node = scope && own(scope.scope.nodes, id);
  if (!found || !scope || !node) return false;
  const name = portsOf(found.recipe, scope.at, id, node, useCatalogue.getState()).definition;
  const at = name === undefined ? undefined : findDefinition(found.recipe, scope.at, name);
  if (at === undefined) return false;
  useTabs.getState().look(tab, { path: [...found.path, { at, node: id }] });
  useTabs.getState().select(tab, []);
  announce(`In subgraph ${name}`);
  return true;
}

export function leave(tab: string, depth?: number): void {
  const found = tabOf(tab);
  if (found === undefined || found.path.length === 0) return;
  const keep = depth ?? found.path.length - 1;
  const came = found.path[keep]?.node;
  useTabs.getState().look(tab, { path: found.path.slice(0, keep) });
  useTabs.getState().select(tab, came ? [came] : []);
  announce(keep === 0 ? "In the workflow" : "One level up");
}

export const SUBGRAPHS: Command[] = [
  {
    id: "sub.make",
    title: "Make a subgraph of the selection",
    group: "Node",
    shortcut: "Mod+G",
    onCanvas: true,
    enabled: hasMeant,
    run: makeSub,
  },
  {
    id: "sub.unpack",
    title: "Unpack the subgraph",
    group: "Node",
    shortcut: "Mod+Shift+G",
    onCanvas: true,
    enabled: () => {
      const found = oneSub();
      return found !== undefined && own(found.scope.scope.nodes, found.id)?.op === SUBWORKFLOW + found.name;
    },
    run: unpack,
  },
  {
    id: "sub.enter",
    title: "Open the subgraph",
    group: "Node",
    shortcut: "Alt+Enter",
    onCanvas: true,
    enabled: () => oneSub() !== undefined,
    run: () => {
      const found = oneSub();
      if (found) enter(found.scope.tab.id, found.id);
    },
  },
  {
    id: "sub.leave",
    title: "Leave the subgraph",
    group: "Node",
    shortcut: "Alt+Backspace",
    onCanvas: true,
    enabled: () => (activeTab()?.path.length ?? 0) > 0,
    run: onTab((id) => leave(id)),
  },
];
