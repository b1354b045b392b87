/** Placing: align, distribute, tidy up; frames and notes. */

import { useTabs } from "../../commands/store";
import type { Command } from "../../commands/table";
import { addNote, groups } from "../../model/layout";
import { wires } from "../../model/recipe";
import { align, type Box, distribute, type Places, type Side, snap, snapAll, tidy } from "../../model/tidy";
import { boxesOf } from "../boxes";
import { addFrame, fitFrame } from "../frames";
import { moved } from "../moving";
import { editActive, type Scope, selectedNodes } from "../selection";
import { currentView, setUi } from "../ui";
import { chosenFrames, here, meant, shown, some } from "./meant";

/** Place what is selected, or else everything. */
function arrange(label: string, places: (boxes: ReturnType<typeof boxesOf>, scope: Scope) => Places): void {
  const scope = here();
  if (scope === undefined) return;
  const all = boxesOf(scope.tab.id);
  const chosen = new Set(selectedNodes(scope));
  const boxes = chosen.size > 0 ? all.filter((box) => chosen.has(box.id)) : all;
  editActive(label, (s) => moved(s, places(boxes, scope)));
}

function tidyUp(): void {
  const whole = !some();
  arrange("Tidy up", (boxes, { scope, tab }) => {
    const arrows = wires(scope).map((wire) => ({ from: wire.from.node, to: wire.to.node }));
    return whole ? withNotes(tidy(boxes, arrows), boxes, boxesOf(tab.id, undefined, true)) : tidy(boxes, arrows);
  });
  if (whole) requestAnimationFrame(() => currentView()?.fit(false));
}

/** Notes that tidied nodes would lie on go below them all, beside each other. */
function withNotes(places: Places, boxes: readonly Box[], all: readonly Box[]): Places {
  const sizes = new Map(boxes.map((box) => [box.id, box.size]));
  const taken = [...places].map(([id, at]): Box => ({ id, at, size: sizes.get(id) ?? [0, 0] }));
  if (taken.length === 0) return places;
  let x = Math.min(...taken.map((box) => box.at[0]));
  const below = snap(Math.max(...taken.map((box) => box.at[1] + box.size[1])) + 40);
  const result = new Map(places);
  for (const note of all) {
    if (sizes.has(note.id) || !taken.some((box) => overlap(box, note))) continue;
    result.set(note.id, [x, below]);
    x += note.size[0] + 20;
  }
  return result;
}

const overlap = (a: Box, b: Box): boolean =>
  a.at[0] < b.at[0] + b.size[0] &&
  b.at[0] < a.at[0] + a.size[0] &&
  a.at[1] < b.at[1] + b.size[1] &&
  b.at[1] < a.at[1] + a.size[1];

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

const SIDES: [Side, string, string][] = [
  ["left", "Align left sides", "Shift+A"],
  ["right", "Align right sides", "Shift+D"],
  ["top", "Align top sides", "Shift+W"],
  ["bottom", "Align bottom sides", "Shift+S"],
  ["centre", "Align centres in a column", ""],
  ["middle", "Align middles in a row", ""],
];

export const ARRANGE: Command[] = [
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
];
