/** The canvas's commands. Each is an edit of what the active tab looks at, or moves the view. */

import { useCatalogue } from "../api/catalogue";
import { setSettings, useSettings } from "../app/settings";
import { announce } from "../commands/announce";
import { activeTab, tabOf, useTabs } from "../commands/store";
import { type Command, register } from "../commands/table";
import { changeEntries, removePicked, removeReconnecting, toggleMode } from "../model/edits";
import { addNote, changeGroup, changeNote, entryOf, groups, withPositions } from "../model/layout";
import { fits, outputType, portsOf } from "../model/ports";
import { own, SUBWORKFLOW, wires } from "../model/recipe";
import { definitionAt, findDefinition } from "../model/scope";
import { makeSubgraph, unpackSubgraph } from "../model/subgraph";
import { align, distribute, type Places, type Side, snapAll, tidy } from "../model/tidy";
import { boxesOf } from "./boxes";
import { copyToSystem, cut, duplicate, pasteFromSystem } from "./clipboard";
import { addFrame, fitFrame, inside, toggleFrame } from "./frames";
import { activeScope, editActive, isEmptyPick, picked, type Scope, selectedNodes } from "./selection";
import { currentView, setUi, useUi } from "./ui";
import { reveal } from "./useView";

/** What `view.reveal` goes to: a node, and one of its widgets. `at`: the definitions around it. */
interface RevealArgs {
  tab: string;
  at: readonly string[];
  node: string;
  port: string;
}

const here = (): Scope | undefined => (currentView() ? activeScope() : undefined);
const shown = () => here() !== undefined;
const some = () => {
  const scope = here();
  return scope !== undefined && selectedNodes(scope).length > 0;
};
const anything = () => {
  const scope = here();
  return scope !== undefined && !isEmptyPick(picked(scope));
};
const chosenFrames = (scope: Scope): number[] => [...picked(scope).groups];

/** The nodes that a command is about: those selected, and those in selected frames. */
function meant(scope: Scope): string[] {
  const boxes = boxesOf(scope.tab.id);
  const framed = chosenFrames(scope).flatMap((index) => {
    const group = groups(scope.scope)[index];
    if (!group) return [];
    return group.collapsed ? group.nodes : inside(group, boxes).map((box) => box.id);
  });
  return [...new Set([...selectedNodes(scope), ...framed])];
}

const hasMeant = () => {
  const scope = here();
  return scope !== undefined && meant(scope).length > 0;
};

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

function mode(which: "muted" | "bypassed"): void {
  const scope = here();
  if (scope === undefined) return;
  const ids = meant(scope);
  editActive(which === "muted" ? "Mute" : "Bypass", (s) => toggleMode(s, ids, which));
  const now = ids.every((id) => own(activeScope()?.scope.nodes, id)?.mode === which);
  announce(`${ids.length === 1 ? ids[0] : `${ids.length} nodes`}: ${now ? which : "active"}`);
}

function toggleEntry(key: "collapsed" | "hide_unused", label: string): void {
  const scope = here();
  if (scope === undefined) return;
  const ids = selectedNodes(scope);
  for (const index of chosenFrames(scope)) if (key === "collapsed") toggleFrame(scope.tab.id, index);
  const all = ids.every((id) => entryOf(scope.scope, id)[key]);
  if (ids.length) editActive(label, (s) => changeEntries(s, ids, { [key]: !all }));
}

/** Place what is selected, or else everything. */
function arrange(label: string, places: (boxes: ReturnType<typeof boxesOf>, scope: Scope) => Places): void {
  const scope = here();
  if (scope === undefined) return;
  const all = boxesOf(scope.tab.id);
  const chosen = new Set(selectedNodes(scope));
  const boxes = chosen.size > 0 ? all.filter((box) => chosen.has(box.id)) : all;
  editActive(label, (s) => withPositions(s, places(boxes, scope)));
}

function tidyUp(): void {
  arrange("Tidy up", (boxes, { scope }) =>
    tidy(
      boxes,
      wires(scope).map((wire) => ({ from: wire.from.node, to: wire.to.node })),
    ),
  );
  if (!some()) requestAnimationFrame(() => currentView()?.fit(false));
}

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

function stepBack(): void {
  const tab = activeTab();
  if (tab === undefined) return;
  if (useUi.getState().knife) setUi({ knife: false });
  else if (tab.selection.size + tab.selectedWires.size > 0) useTabs.getState().select(tab.id, []);
  else leave(tab.id);
  currentView()?.focus();
}

function frame(): void {
  const scope = here();
  if (scope === undefined) return;
  const chosen = new Set(selectedNodes(scope));
  const boxes = boxesOf(scope.tab.id).filter((box) => chosen.has(box.id));
  const index = groups(scope.scope).length;
  const spot = currentView()?.spot().at ?? [0, 0];
  const around = boxes.length ? boxes : [{ id: "", at: spot, size: [280, 160] as const }];
  if (editActive("Add a frame", (s) => addFrame(s, around, ""))) setUi({ renaming: `group:${index}` });
}

function note(): void {
  const scope = here();
  const spot = currentView()?.spot().at;
  if (scope === undefined || spot === undefined) return;
  const list = scope.scope.layout?.notes;
  const key = `notes:${Array.isArray(list) ? list.length : 0}`;
  if (editActive("Add a note", (s) => addNote(s, { text: "", at: spot }))) setUi({ renaming: `note:${key}` });
}

function recolour(name: string): void {
  const scope = here();
  if (scope === undefined) return;
  const pick = picked(scope);
  editActive("Colour", (s) => {
    let next = changeEntries(s, pick.nodes, { colour: name });
    for (const index of pick.groups) next = changeGroup(next, index, { colour: name });
    for (const key of pick.notes) next = changeNote(next, key, { colour: name });
    return next;
  });
}

function rename(): void {
  const scope = here();
  const first = scope && [...scope.tab.selection].find((id) => !id.startsWith("reroute:"));
  if (first) setUi({ renaming: first });
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

const onTab = (command: (id: string) => void) => () => {
  const tab = activeTab();
  if (tab) command(tab.id);
};

const SIDES: [Side, string, string][] = [
  ["left", "Align left sides", "Shift+A"],
  ["right", "Align right sides", "Shift+D"],
  ["top", "Align top sides", "Shift+W"],
  ["bottom", "Align bottom sides", "Shift+S"],
  ["centre", "Align centres in a column", ""],
  ["middle", "Align middles in a row", ""],
];

const COMMANDS: Command[] = [
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
  {
    id: "node.add",
    title: "Add a node…",
    group: "Node",
    shortcut: ["Mod+Space", "Shift+Space"],
    onCanvas: true,
    fixed: ["Tab"],
    enabled: shown,
    run: () => {
      const spot = currentView()?.spot();
      if (spot) setUi({ palette: spot });
    },
  },
  {
    id: "node.mute",
    title: "Mute: does not run",
    group: "Node",
    shortcut: "Mod+M",
    enabled: hasMeant,
    onCanvas: true,
    run: () => mode("muted"),
  },
  {
    id: "node.bypass",
    title: "Bypass: passes its input through",
    group: "Node",
    shortcut: "Mod+B",
    enabled: hasMeant,
    onCanvas: true,
    run: () => mode("bypassed"),
  },
  {
    id: "node.collapse",
    title: "Collapse or expand",
    group: "Node",
    shortcut: "Alt+C",
    onCanvas: true,
    enabled: anything,
    run: () => toggleEntry("collapsed", "Collapse"),
  },
  {
    id: "node.hide",
    title: "Hide or show unused ports",
    group: "Node",
    shortcut: "Alt+U",
    onCanvas: true,
    enabled: some,
    run: () => toggleEntry("hide_unused", "Hide unused ports"),
  },
  { id: "node.rename", title: "Rename", group: "Node", shortcut: "F2", onCanvas: true, enabled: anything, run: rename },
  {
    id: "node.colour",
    title: "No colour",
    group: "Node",
    enabled: anything,
    run: (name) => recolour(typeof name === "string" ? name : ""),
  },
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
  {
    id: "frame.add",
    title: "Frame the selection",
    group: "Arrange",
    shortcut: "Shift+G",
    onCanvas: true,
    enabled: shown,
    run: frame,
  },
  {
    id: "frame.fit",
    title: "Fit the frame to what it holds",
    group: "Arrange",
    enabled: () => {
      const scope = here();
      return scope !== undefined && chosenFrames(scope).length > 0;
    },
    run: () => {
      const scope = here();
      if (scope)
        editActive("Fit the frame", (s) =>
          chosenFrames(scope).reduce((r, index) => fitFrame(r, index, boxesOf(scope.tab.id, undefined, true)), s),
        );
    },
  },
  {
    id: "frame.select",
    title: "Select what the frame holds",
    group: "Arrange",
    enabled: () => {
      const scope = here();
      return scope !== undefined && chosenFrames(scope).length > 0;
    },
    run: () => {
      const scope = here();
      if (scope) useTabs.getState().select(scope.tab.id, [...scope.tab.selection, ...meant(scope)]);
    },
  },
  {
    id: "note.add",
    title: "Add a note",
    group: "Arrange",
    shortcut: "Shift+N",
    onCanvas: true,
    enabled: shown,
    run: note,
  },
  {
    id: "arrange.tidy",
    title: "Tidy up",
    group: "Arrange",
    shortcut: "Shift+T",
    onCanvas: true,
    enabled: shown,
    run: tidyUp,
  },
  ...SIDES.map(
    ([side, title, shortcut]): Command => ({
      id: `arrange.${side}`,
      title,
      group: "Arrange",
      shortcut: shortcut || [],
      onCanvas: true,
      enabled: shown,
      run: () => arrange(title, (boxes) => align(boxes, side)),
    }),
  ),
  {
    id: "arrange.horizontal",
    title: "Distribute horizontally",
    group: "Arrange",
    shortcut: "Shift+H",
    onCanvas: true,
    enabled: shown,
    run: () => arrange("Distribute", (boxes) => distribute(boxes, "horizontal")),
  },
  {
    id: "arrange.vertical",
    title: "Distribute vertically",
    group: "Arrange",
    shortcut: "Shift+V",
    onCanvas: true,
    enabled: shown,
    run: () => arrange("Distribute", (boxes) => distribute(boxes, "vertical")),
  },
  {
    id: "arrange.snap",
    title: "Move to the grid",
    group: "Arrange",
    enabled: shown,
    run: () => arrange("Move to the grid", snapAll),
  },
  {
    id: "view.fit",
    title: "Show all",
    group: "View",
    shortcut: "Home",
    onCanvas: true,
    enabled: shown,
    run: () => currentView()?.fit(false),
  },
  {
    id: "view.fit-selection",
    title: "Show the selection",
    group: "View",
    shortcut: ".",
    onCanvas: true,
    enabled: shown,
    run: () => currentView()?.fit(true),
  },
  {
    id: "view.zoom-in",
    title: "Zoom in",
    group: "View",
    shortcut: ["Mod++", "Mod+="],
    enabled: shown,
    run: () => currentView()?.zoom(1.25),
  },
  {
    id: "view.zoom-out",
    title: "Zoom out",
    group: "View",
    shortcut: "Mod+-",
    enabled: shown,
    run: () => currentView()?.zoom(0.8),
  },
  {
    id: "view.snap",
    title: "Snap to the grid while dragging, or not",
    group: "View",
    enabled: shown,
    run: () => {
      setSettings({ snap: !useSettings.getState().snap });
      announce(useSettings.getState().snap ? "Snaps to the grid" : "Moves freely");
    },
  },
  {
    id: "view.wheel",
    title: "The wheel zooms, or pans",
    group: "View",
    run: () => {
      const wheel = useSettings.getState().wheel === "zoom" ? "pan" : "zoom";
      setSettings({ wheel });
      announce(`The wheel ${wheel}s`);
    },
  },
  {
    id: "view.reveal",
    title: "Go to a node",
    group: "View",
    hidden: true,
    run: (args) => {
      const { tab, at = [], node = "", port = "" } = (args ?? {}) as Partial<RevealArgs>;
      reveal(tab ?? useTabs.getState().active, at, node, port);
    },
  },
  {
    id: "help.commands",
    title: "All commands",
    group: "Help",
    shortcut: "Mod+K",
    whileTyping: true,
    hidden: true,
    run: () => setUi({ commands: true }),
  },
  { id: "help.keys", title: "Keyboard map", group: "Help", shortcut: "?", run: () => setUi({ keys: true }) },
];

export const registerCanvasCommands = (): (() => void) => register(...COMMANDS);
