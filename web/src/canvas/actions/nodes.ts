/** Commands about nodes: add, mute, bypass, collapse, rename, colour. */

import { announce } from "../../commands/announce";
import type { Command } from "../../commands/table";
import { changeEntries, toggleMode } from "../../model/edits";
import { changeGroup, changeNote, entryOf } from "../../model/layout";
import { own } from "../../model/recipe";
import { toggleFrame } from "../frames";
import { activeScope, editActive, picked, selectedNodes } from "../selection";
import { currentView, setUi } from "../ui";
import { anything, chosenFrames, hasMeant, here, meant, shown, some } from "./meant";

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

export const NODES: Command[] = [
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
    id: "node.connect",
    title: "Connect…",
    group: "Node",
    shortcut: "Shift+C",
    onCanvas: true,
    enabled: some,
    run: () => {
      const scope = here();
      const id = scope && selectedNodes(scope)[0];
      if (id) setUi({ connecting: id });
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
];
