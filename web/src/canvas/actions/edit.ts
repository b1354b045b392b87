/** Commands that edit: undo, clipboard, delete, select, slice. */

import { useCatalogue } from "../../api/catalogue";
import { announce } from "../../commands/announce";
import { activeTab, useTabs } from "../../commands/store";
import type { Command } from "../../commands/table";
import { removePicked, removeReconnecting } from "../../model/edits";
import { fits, outputType, portsOf } from "../../model/ports";
import { own, wires } from "../../model/recipe";
import { copyToSystem, cut, duplicate, pasteFromSystem } from "../clipboard";
import { editActive, picked, type Scope, selectedNodes } from "../selection";
import { currentView, setUi, useUi } from "../ui";
import { anything, here, onTab, shown, some } from "./meant";
import { leave } from "./subgraphs";

function remove(): void {
  const scope = here();
  if (scope === undefined) return;
  const pick = picked(scope);
  const count = pick.nodes.size + pick.groups.size + pick.notes.size + pick.wires.length;
  if (editActive("Delete", (s) => removePicked(s, pick))) announce(`Deleted ${count === 1 ? "one" : count}`);
  currentView()?.focus();
}

/** The inputs whose source could stand for an output: those that have its type. */
function through(scope: Scope): (id: string, output: string) => string[] {
  const known = useCatalogue.getState();
  return (id, output) => {
    const node = own(scope.scope.nodes, id);
    if (node === undefined) return [];
    const ports = portsOf(scope.tab.recipe, scope.at, id, node, known);
    const type = outputType(scope.tab.recipe, scope.at, { node: id, port: output }, known);
    return ports.inputs.filter((port) => fits(port, type) !== null).map((port) => port.name);
  };
}

function reconnect(): void {
  const scope = here();
  if (scope) editActive("Delete and reconnect", (s) => removeReconnecting(s, selectedNodes(scope), through(scope)));
}

function stepBack(): void {
  const tab = activeTab();
  if (tab === undefined) return;
  if (useUi.getState().knife) setUi({ knife: false });
  else if (tab.selection.size + tab.selectedWires.size > 0) useTabs.getState().select(tab.id, []);
  else leave(tab.id);
  currentView()?.focus();
}

function selectAll(): void {
  const scope = here();
  if (scope) useTabs.getState().select(scope.tab.id, Object.keys(scope.scope.nodes));
}

/** Extend the selection to all that feeds it, or all that it feeds. */
function grow(direction: "up" | "down"): void {
  const scope = here();
  if (scope === undefined) return;
  const found = new Set(selectedNodes(scope));
  const all = wires(scope.scope);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const wire of all) {
      const [near, far] = direction === "up" ? [wire.to.node, wire.from.node] : [wire.from.node, wire.to.node];
      if (found.has(near)) found.add(far);
    }
  }
  useTabs.getState().select(scope.tab.id, found);
}

export const EDIT: Command[] = [
  {
    id: "edit.undo",
    title: "Undo",
    group: "Edit",
    shortcut: "Mod+Z",
    enabled: () => activeTab() !== undefined,
    run: onTab((id) => useTabs.getState().undo(id)),
  },
  {
    id: "edit.redo",
    title: "Redo",
    group: "Edit",
    shortcut: ["Mod+Shift+Z", "Mod+Y"],
    enabled: () => activeTab() !== undefined,
    run: onTab((id) => useTabs.getState().redo(id)),
  },
  { id: "edit.copy", title: "Copy", group: "Edit", fixed: ["Mod+C"], enabled: anything, run: () => copyToSystem() },
  {
    id: "edit.cut",
    title: "Cut",
    group: "Edit",
    fixed: ["Mod+X"],
    enabled: anything,
    run: () => copyToSystem().then(cut),
  },
  {
    id: "edit.paste",
    title: "Paste",
    group: "Edit",
    fixed: ["Mod+V"],
    enabled: shown,
    run: () => pasteFromSystem(false),
  },
  {
    id: "edit.paste-wired",
    title: "Paste and keep incoming wires",
    group: "Edit",
    fixed: ["Mod+Shift+V"],
    enabled: shown,
    run: () => pasteFromSystem(true),
  },
  {
    id: "edit.duplicate",
    title: "Duplicate",
    group: "Edit",
    shortcut: "Mod+D",
    onCanvas: true,
    enabled: anything,
    run: () => void duplicate(),
  },
  {
    id: "edit.delete",
    title: "Delete",
    group: "Edit",
    shortcut: ["Delete", "Backspace"],
    onCanvas: true,
    enabled: anything,
    run: remove,
  },
  {
    id: "edit.reconnect",
    title: "Delete and reconnect",
    group: "Edit",
    shortcut: ["Shift+Delete", "Mod+Backspace"],
    onCanvas: true,
    enabled: some,
    run: reconnect,
  },
  {
    id: "edit.all",
    title: "Select all",
    group: "Edit",
    shortcut: "Mod+A",
    onCanvas: true,
    enabled: shown,
    run: selectAll,
  },
  {
    id: "edit.upstream",
    title: "Select what feeds the selection",
    group: "Edit",
    shortcut: "Shift+L",
    onCanvas: true,
    enabled: some,
    run: () => grow("up"),
  },
  {
    id: "edit.downstream",
    title: "Select what the selection feeds",
    group: "Edit",
    shortcut: "L",
    onCanvas: true,
    enabled: some,
    run: () => grow("down"),
  },
  {
    id: "edit.escape",
    title: "Clear the selection; then leave the subgraph",
    group: "Edit",
    shortcut: "Escape",
    onCanvas: true,
    hidden: true,
    enabled: shown,
    run: stepBack,
  },
  {
    id: "edit.knife",
    title: "Slice wires with the next drag",
    group: "Edit",
    shortcut: "Y",
    onCanvas: true,
    enabled: shown,
    run: () => setUi({ knife: !useUi.getState().knife }),
  },
];
