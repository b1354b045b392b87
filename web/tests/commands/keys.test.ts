import { beforeEach, describe, expect, it } from "vitest";
import { chordOf, chordParts, commandFor, type Press } from "../../src/commands/keys";
import { bind, register, run, shortcutsOf, useCommands } from "../../src/commands/table";

const press = (key: string, mods = ""): Press => ({
  key,
  ctrlKey: mods.includes("c"),
  metaKey: false,
  shiftKey: mods.includes("s"),
  altKey: mods.includes("a"),
});

beforeEach(() => useCommands.setState({ commands: new Map(), bindings: {} }));

describe("chords", () => {
  it("are written one way", () => {
    expect(chordOf(press("z", "c"))).toBe("Mod+Z");
    expect(chordOf(press("Z", "cs"))).toBe("Mod+Shift+Z");
    expect(chordOf(press("?", "s"))).toBe("?");
    expect(chordOf(press(" ", "c"))).toBe("Mod+Space");
    expect(chordOf(press("ArrowUp", "sa"))).toBe("Alt+Shift+ArrowUp");
    expect(chordOf(press("Control", "c"))).toBe("");
    expect(chordParts("Mod++")).toEqual(["Ctrl", "+"]);
    expect(chordParts("Mod+Shift+ArrowUp")).toEqual(["Ctrl", "Shift", "↑"]);
  });
});

describe("the table", () => {
  it("finds the command of a key, unless it cannot be done", () => {
    let able = true;
    let ran = 0;
    const stop = register({
      id: "x",
      title: "X",
      group: "Edit",
      shortcut: ["Mod+X", "Delete"],
      enabled: () => able,
      run: () => void ran++,
    });
    expect(commandFor(press("x", "c"), null)?.id).toBe("x");
    expect(run("x")).toBe(true);
    able = false;
    expect(commandFor(press("Delete"), null)).toBeUndefined();
    expect(run("x")).toBe(false);
    stop();
    expect(run("x")).toBe(false);
    expect(ran).toBe(1);
  });

  it("keys can be set, taken from others, and reset", () => {
    const noop = () => undefined;
    register(
      { id: "a", title: "A", group: "Edit", shortcut: "Mod+A", run: noop },
      { id: "b", title: "B", group: "Edit", shortcut: "Mod+B", run: noop },
    );
    bind("b", ["Mod+A"]);
    expect(commandFor(press("a", "c"), null)?.id).toBe("b");
    expect(commandFor(press("b", "c"), null)).toBeUndefined();
    bind("b", undefined);
    const b = useCommands.getState().commands.get("b");
    expect(b && shortcutsOf(b)).toEqual(["Mod+B"]);
  });
});
