/**
 * Copy and paste as JSON through the system's clipboard. The browser's own copy and paste events are used, which need no
 * permission; what was copied last is kept too, for when the clipboard cannot be read.
 */

import { announce } from "../commands/announce";
import { isTyping } from "../commands/keys";
import { editView, useTabs } from "../commands/store";
import { removePicked } from "../model/edits";
import { copyFragment, pasteFragment, readFragment } from "../model/fragment";
import { entryOf, list, notes as notesOf, withPositions } from "../model/layout";
import { type Recipe, recipeText, wires } from "../model/recipe";
import { WIDTH } from "../model/shape";
import { tidy } from "../model/tidy";
import { meant } from "./meant";
import { activeScope, isEmptyPick, picked } from "./selection";
import { currentView } from "./ui";

let last = "";
let pastes = 0;

/** The selection as text, or undefined if nothing that can be copied is selected. */
export function copyText(): string | undefined {
  const here = activeScope();
  if (here === undefined) return undefined;
  const { groups, notes } = picked(here);
  const nodes = new Set(meant(here));
  const fragment = copyFragment(here.tab.recipe, here.at, { nodes, groups, notes });
  if (fragment === undefined) return undefined;
  last = recipeText(fragment);
  pastes = 0;
  const parts = [
    nodes.size && `${nodes.size} nodes`,
    groups.size && `${groups.size} frames`,
    notes.size && `${notes.size} notes`,
  ];
  announce(`Copied ${parts.filter(Boolean).join(", ")}`);
  return last;
}

export function cut(): void {
  const here = activeScope();
  if (here === undefined) return;
  const pick = picked(here);
  if (isEmptyPick(pick)) return;
  const nodes = new Set(meant(here));
  editView(here.tab.id, "Cut", (scope) => removePicked(scope, { ...pick, nodes }));
}

/** Put text from the clipboard here. False: it is nothing of ours, and ignored. */
export function pasteText(text: string, wired: boolean): boolean {
  const fragment = readFragment(text);
  if (fragment === undefined) return false;
  if (text !== last) pastes = 0;
  return paste(fragment, wired, "Paste");
}

function paste(fragment: Recipe, wired: boolean, label: string): boolean {
  const view = currentView();
  const tab = useTabs.getState().active;
  if (view === null || view.tab !== tab) return false;
  const placed = withPlaces(fragment);
  const by = offset(placed, view.spot().at);
  let ids: readonly string[] = [];
  const done = editView(tab, label, (scope) => {
    const pasted = pasteFragment(scope, placed, by, wired);
    ids = pasted.nodes;
    return pasted.recipe;
  });
  if (done) {
    useTabs.getState().select(tab, ids);
    announce(`Pasted ${ids.length} nodes`);
  }
  return done;
}

/** Nodes that come without a place are put beside each other, from left to right. */
function withPlaces(fragment: Recipe): Recipe {
  const lost = Object.keys(fragment.nodes).filter((id) => entryOf(fragment, id).at === undefined);
  if (lost.length === 0 || lost.length < Object.keys(fragment.nodes).length) return fragment;
  const boxes = lost.map((id) => ({ id, at: [0, 0] as const, size: [WIDTH, 240] as const }));
  const arrows = wires(fragment).map((wire) => ({ from: wire.from.node, to: wire.to.node }));
  return withPositions(fragment, tidy(boxes, arrows));
}

/** The fragment's upper left corner goes to the pointer; a paste after a paste at the same place a little aside. */
function offset(fragment: Recipe, [x, y]: readonly [number, number]): [number, number] {
  const spots: [number, number][] = [];
  const note = (at: unknown) => {
    if (Array.isArray(at) && at.length === 2) spots.push([Number(at[0]), Number(at[1])]);
  };
  for (const [key, entry] of Object.entries(fragment.layout ?? {})) {
    if (key === "reroutes") continue;
    for (const item of Array.isArray(entry) ? entry : [entry]) note((item as { at?: unknown } | null)?.at);
  }
  const aside = 20 * pastes++;
  if (spots.length === 0) return [Math.round(x) + aside, Math.round(y) + aside];
  const [left, top] = [Math.min(...spots.map((s) => s[0])), Math.min(...spots.map((s) => s[1]))];
  return [Math.round(x - left) + aside, Math.round(y - top) + aside];
}

/**
 * Copies of what is selected, a little aside; by what the canvas calls each, what it calls its copy. With `inPlace`
 * exactly where they are (for a drag of them).
 */
export function duplicate(inPlace = false): ReadonlyMap<string, string> {
  const here = activeScope();
  if (here === undefined) return new Map();
  const { groups, notes } = picked(here);
  const nodes = new Set(meant(here));
  const fragment = copyFragment(here.tab.recipe, here.at, { nodes, groups, notes });
  if (fragment === undefined) return new Map();
  const ids = new Map<string, string>();
  const by = inPlace ? ([0, 0] as const) : ([40, 40] as const);
  editView(here.tab.id, "Duplicate", (scope) => {
    const pasted = pasteFragment(scope, fragment, by, true);
    for (const [id, copy] of pasted.ids) ids.set(id, copy);
    const first = { group: list(scope, "groups").length, note: list(scope, "notes").length };
    for (const [nth, index] of [...groups].sort((a, b) => a - b).entries()) {
      ids.set(`group:${index}`, `group:${first.group + nth}`);
    }
    const copied = notesOf(scope).filter((note) => notes.has(note.key));
    for (const [nth, { key }] of copied.entries()) ids.set(`note:${key}`, `note:notes:${first.note + nth}`);
    return pasted.recipe;
  });
  useTabs.getState().select(here.tab.id, ids.values());
  return ids;
}

/** Ctrl+Shift+V: the next paste keeps incoming wires. */
let wiredNext = false;

export async function pasteFromSystem(wired: boolean): Promise<void> {
  let text = "";
  try {
    text = await navigator.clipboard.readText();
  } catch {
    text = last;
  }
  if (!pasteText(text, wired) && text !== last && text.trim() === "") pasteText(last, wired);
}

export async function copyToSystem(): Promise<void> {
  const text = copyText();
  if (text === undefined) return;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not allowed here: it is still kept for pasting in this window.
  }
}

/** Listen for the browser's own copy, cut and paste. Gives a function that stops it. */
export function installClipboard(): () => void {
  const ours = (event: Event) => {
    const selection = document.getSelection();
    const text = selection !== null && !selection.isCollapsed && selection.toString() !== "";
    return (
      !event.defaultPrevented &&
      !isTyping(event.target) &&
      !text &&
      currentView() !== null &&
      !document.querySelector("dialog[open]")
    );
  };
  const onCopy = (event: ClipboardEvent) => {
    if (!ours(event)) return;
    const text = copyText();
    if (text === undefined) return;
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
    if (event.type === "cut") cut();
  };
  const onPaste = (event: ClipboardEvent) => {
    const wired = wiredNext;
    wiredNext = false;
    if (!ours(event)) return;
    if (pasteText(event.clipboardData?.getData("text/plain") ?? "", wired)) event.preventDefault();
  };
  const onKey = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || !event.shiftKey || event.key.toLowerCase() !== "v" || !ours(event)) return;
    wiredNext = true;
    // Browsers may not send a paste event for this chord where there is no field.
    setTimeout(() => {
      if (!wiredNext) return;
      wiredNext = false;
      void pasteFromSystem(true);
    }, 60);
  };
  document.addEventListener("copy", onCopy);
  document.addEventListener("cut", onCopy);
  document.addEventListener("paste", onPaste);
  window.addEventListener("keydown", onKey);
  return () => {
    document.removeEventListener("copy", onCopy);
    document.removeEventListener("cut", onCopy);
    document.removeEventListener("paste", onPaste);
    window.removeEventListener("keydown", onKey);
  };
}
