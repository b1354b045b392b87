/** Placing: align, distribute, tidy up; frames and notes. */

import { useTabs } from "../../commands/store";
import type { Command } from "../../commands/table";
import { addNote, groups, withPositions } from "../../model/layout";
import { wires } from "../../model/recipe";
import { align, distribute, type Places, type Side, snapAll, tidy } from "../../model/tidy";
import { boxesOf } from "../boxes";
import { addFrame, fitFrame } from "../frames";
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
