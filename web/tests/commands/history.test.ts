import { beforeEach, describe, expect, it } from "vitest";
import { edited, FRESH, held, LIMIT, redone, released, type State, undone } from "../../src/commands/history";
import { isDirty, tabOf, useTabs } from "../../src/commands/store";
import { removeNodes, setValue } from "../../src/model/edits";
import { connect } from "../../src/model/links";
import { type Recipe, Refused } from "../../src/model/recipe";
import { recipe } from "../model/help";

const base = recipe({ a: 'text=""', b: "a.out -> in" });
const start: State = { recipe: base, history: FRESH };
const typed = (text: string) => (r: Recipe) => setValue(r, { node: "a", port: "text" }, text);
const text = (state: State) => state.recipe.nodes.a?.values?.text;
const steps = (state: State) => state.history.past.length;

describe("steps", () => {
  it("a burst of typing is one, a pause begins another", () => {
    let state = start;
    for (const [i, word] of ["r", "re", "red"].entries())
      state = edited(state, typed(word)(state.recipe), "Type", "a.text", 1000 + i * 700);
    expect(steps(state)).toBe(1);
    state = edited(state, typed("red!")(state.recipe), "Type", "a.text", 1000 + 1400 + 801);
    expect(steps(state)).toBe(2);
    expect(text(undone(state))).toBe("red");
    expect(text(undone(undone(state)))).toBe("");
  });

  it("typing after an undo is a step of its own", () => {
    let state = edited(start, typed("x")(base), "Type", "a.text", 1000);
    state = edited(undone(state), typed("y")(base), "Type", "a.text", 1100);
    expect(steps(state)).toBe(1);
    expect(state.history.future).toEqual([]);
    state = edited(redone(undone(state)), typed("yz")(base), "Type", "a.text", 1200);
    expect(steps(state)).toBe(2);
  });

  it("a change that changed nothing is none, also when typed and taken back", () => {
    expect(edited(start, base, "Nothing")).toBe(start);
    expect(edited(start, { ...base, nodes: { ...base.nodes } }, "A copy")).toBe(start);
    let state = edited(start, typed("x")(base), "Type", "k", 1000);
    state = edited(state, typed("")(state.recipe), "Type", "k", 1100);
    expect(steps(state)).toBe(0);
    expect(state.recipe).toBe(base);
  });

  it("at most 200 are kept", () => {
    let state = start;
    for (let i = 0; i < LIMIT + 5; i++) state = edited(state, typed(`${i}`)(state.recipe), "Type");
    expect(steps(state)).toBe(LIMIT);
  });
});

describe("gestures", () => {
  it("a drag is one step, and none if it ends where it began", () => {
    let state = held(start, "Move");
    for (const word of ["1", "2", "3"]) state = edited(state, typed(word)(state.recipe), "Move");
    expect(steps(state)).toBe(0);
    const done = released(state);
    expect(steps(done)).toBe(1);
    expect(undone(done).recipe).toBe(base);
    const back = released(edited(state, typed("")(state.recipe), "Move"));
    expect(steps(back)).toBe(0);
    expect(released(state, true).recipe).toBe(base);
    expect(released(start)).toBe(start);
  });

  it("does not swallow the step before it", () => {
    const wired = edited(
      start,
      connect(base, { node: "a", port: "out" }, { node: "b", port: "second" }, "one"),
      "Connect",
    );
    const dragged = released(edited(held(wired, "Move"), typed("moved")(wired.recipe), "Move"));
    expect(undone(dragged).recipe).toBe(wired.recipe);
  });

  it("undo and redo wait for the end of a gesture", () => {
    const state = held(edited(start, typed("x")(base), "Type"), "Move");
    expect(undone(state)).toBe(state);
    expect(redone(state)).toBe(state);
    expect(held(state, "again")).toBe(state);
  });
});

describe("tabs", () => {
  beforeEach(() => useTabs.setState({ tabs: [], active: "" }));
  const open = () => useTabs.getState().openTab({ recipe: base, title: "T" });

  it("a refused edit leaves no step and says why", () => {
    const id = open();
    const done = useTabs.getState().edit(id, "Connect", () => {
      throw new Refused("no");
    });
    expect(done).toBe(false);
    expect(tabOf(id)?.history.past).toEqual([]);
  });

  it("two quick deletes are two steps; nodes and their wires are one", () => {
    const id = open();
    const { edit, undo } = useTabs.getState();
    edit(id, "Delete", (r) => removeNodes(r, new Set(["a"])));
    edit(id, "Delete", (r) => removeNodes(r, new Set(["b"])));
    expect(tabOf(id)?.history.past.length).toBe(2);
    undo(id);
    undo(id);
    expect(tabOf(id)?.recipe).toBe(base);
  });

  it("selection is not undone, and a path ends where its definition is gone", () => {
    const id = open();
    const { edit, select, undo, look } = useTabs.getState();
    edit(id, "Make", (r) => ({ ...r, definitions: { d: recipe({}) } }));
    look(id, { path: [{ at: ["d"], node: "n" }] });
    select(id, ["a"]);
    undo(id);
    expect([...(tabOf(id)?.selection ?? [])]).toEqual(["a"]);
    expect(tabOf(id)?.path).toEqual([]);
  });

  it("knows what is not saved", () => {
    const id = open();
    expect(isDirty(tabOf(id) as never)).toBe(true);
    useTabs.getState().markSaved(id, { name: "n", etag: "e" });
    expect(isDirty(tabOf(id) as never)).toBe(false);
    useTabs.getState().edit(id, "Type", typed("x"));
    expect(isDirty(tabOf(id) as never)).toBe(true);
    useTabs.getState().edit(id, "Type", typed(""));
    expect(isDirty(tabOf(id) as never)).toBe(false);
  });
});
