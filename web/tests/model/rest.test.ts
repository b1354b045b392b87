import { describe, expect, it } from "vitest";
import { reroutes, withReroute } from "../../src/model/bends";
import { copyFragment, pasteFragment, readFragment } from "../../src/model/fragment";
import {
  addGroup,
  addNote,
  changeGroup,
  changeNote,
  entryOf,
  groups,
  notes,
  removeNotes,
  withEntry,
  withPositions,
  withSeedMode,
} from "../../src/model/layout";
import { parseRecipe, recipeText } from "../../src/model/recipe";
import { integerOf, integerValue, withNewSeeds } from "../../src/model/seeds";
import { align, type Box, distribute, tidy } from "../../src/model/tidy";
import { recipe } from "./help";

const chain = recipe(
  { a: "", b: 'a.out -> in; text="x"', c: "b.out -> in, a.out -> other" },
  { layout: { a: { at: [0, 0] }, b: { at: [100, 0] }, c: { at: [200, 0] } } },
);

describe("copy and paste", () => {
  it("renames ids, keeps inner links, drops outer ones unless asked", () => {
    const fragment = copyFragment(chain, [], { nodes: new Set(["b", "c"]) });
    const text = recipeText(fragment ?? { nodes: {} });
    const read = readFragment(text);
    if (!read) throw new Error("not read");
    const { recipe: after, nodes } = pasteFragment(chain, read, [10, 20], false);
    expect(nodes).toEqual(["b_2", "c_2"]);
    expect(after.nodes.b_2).toEqual({ op: "test/b@1", values: { text: "x" } });
    expect(after.nodes.c_2).toEqual({ op: "test/c@1", links: { in: "b_2.out" } });
    expect(after.layout?.c_2).toEqual({ at: [210, 20] });
    const wired = pasteFragment(chain, read, [0, 0], true).recipe;
    expect(wired.nodes.b_2?.links).toEqual({ in: "a.out" });
    expect(wired.nodes.c_2?.links).toEqual({ in: "b_2.out", other: "a.out" });
  });

  it("frames come along; a collapsed one hides the copies", () => {
    const framed = {
      ...chain,
      layout: {
        ...chain.layout,
        groups: [{ title: "F", at: [0, 0], size: [300, 90], collapsed: true, nodes: ["b", "gone"] }],
      },
    };
    const fragment = copyFragment(framed, [], { nodes: new Set(["b"]), groups: new Set([0]) });
    const after = pasteFragment(framed, fragment ?? { nodes: {} }, [10, 10], false).recipe;
    expect(groups(after).map((g) => [g?.at, g?.nodes])).toEqual([
      [
        [0, 0],
        ["b", "gone"],
      ],
      [[10, 10], ["b_2"]],
    ]);
  });

  it("takes the definitions that are used along, and reuses the same ones", () => {
    const scope = {
      ...recipe({}),
      nodes: { s: { op: "workflow:d" }, loop: { op: "flow/repeat@1", values: { body: "e" } } },
      definitions: { d: recipe({ x: "" }), e: recipe({ y: "" }), unused: recipe({}) },
    };
    const fragment = copyFragment(scope, [], { nodes: new Set(["s", "loop"]) });
    expect(Object.keys(fragment?.definitions ?? {})).toEqual(["d", "e"]);
    const into = { ...recipe({}), definitions: { d: recipe({ other: "" }), e: recipe({ y: "" }) } };
    const after = pasteFragment(into, fragment ?? { nodes: {} }, [0, 0], false).recipe;
    expect(after.nodes.s?.op).toBe("workflow:d_2");
    expect(after.nodes.loop?.values).toEqual({ body: "e" });
    expect(Object.keys(after.definitions ?? {})).toEqual(["d", "e", "d_2"]);
  });

  it("ignores foreign text", () => {
    for (const text of [
      "hello",
      "{}",
      '{"nodes": {"a": 1}}',
      '{"nodes": {"a": {"op": "x"}}}',
      "[1]",
      '{"format": "nodeflow/1", "nodes": {"a": {}}}',
    ]) {
      expect(readFragment(text), text).toBeUndefined();
    }
    expect(readFragment(recipeText(chain))?.nodes.a).toEqual({ op: "test/a@1" });
    expect(copyFragment(chain, [], { nodes: new Set() })).toBeUndefined();
  });
});

describe("layout", () => {
  it("reads what others wrote with care, and keeps what it does not know", () => {
    const odd = parseRecipe(
      '{"nodes": {"a": {"op": "x"}}, "layout": {"a": {"at": ["x", 1], "mine": 1}, "groups": [{"title": "t"}, {"at": [1, 2]}, 7], "notes": {"at": [0, 0]}, "memo": {"at": [0, 400], "note": "n"}}}',
    );
    expect(entryOf(odd, "a").at).toBeUndefined();
    expect(groups(odd).map((g) => g?.at)).toEqual([undefined, [1, 2], undefined]);
    expect(notes(odd)).toEqual([{ key: "memo", text: "n", at: [0, 400], size: [240, 132], colour: "" }]);
    const after = withEntry(changeGroup(odd, 1, { title: "G" }), "a", { at: [1.6, 2], collapsed: true });
    expect(after.layout?.a).toEqual({ at: [2, 2], mine: 1, collapsed: true });
    expect(after.layout?.groups).toEqual([{ title: "t" }, { at: [1, 2], title: "G" }, 7]);
    expect(withEntry(after, "a", { collapsed: false }).layout?.a).toEqual({ at: [2, 2], mine: 1 });
  });

  it("notes of both kinds change in place", () => {
    const both = addNote(
      { ...chain, layout: { ...chain.layout, memo: { at: [0, 0], note: "old" } } },
      { text: "new", at: [5, 5] },
    );
    expect(notes(both).map((n) => [n.key, n.text])).toEqual([
      ["notes:0", "new"],
      ["memo", "old"],
    ]);
    const moved = changeNote(changeNote(both, "memo", { text: "changed" }), "notes:0", { at: [9, 9], colour: "blue" });
    expect(moved.layout?.memo).toEqual({ at: [0, 0], note: "changed" });
    expect(moved.layout?.notes).toEqual([{ text: "new", at: [9, 9], colour: "blue" }]);
    expect(removeNotes(moved, new Set(["memo", "notes:0"])).layout).toEqual(chain.layout);
  });

  it("positions are whole pixels, and the same place is no change", () => {
    expect(withPositions(chain, new Map([["a", [0.3, -0.2]]]))).toBe(chain);
    expect(withPositions(chain, new Map([["a", [7.5, 1]]])).layout?.a).toEqual({ at: [8, 1] });
    expect(addGroup(chain, { at: [0, 0], title: "G" }).layout?.groups).toEqual([{ at: [0, 0], title: "G" }]);
  });

  it("bends go with their wire", () => {
    const [from, to] = [
      { node: "a", port: "out" },
      { node: "b", port: "in" },
    ];
    const bent = withReroute(chain, from, to, [[1, 2]]);
    expect(reroutes(bent)).toEqual([{ from: "a.out", to: "b.in", at: [[1, 2]] }]);
    expect(withReroute(bent, from, to, [])).toEqual(chain);
  });
});

describe("seeds", () => {
  const seeded = recipe(
    { a: "seed=7", b: "seed=1; a.out -> seed", c: "seed=[1]" },
    { inputs: { seed: { to: ["a.seed", "d.seed"] } } },
  );
  const draw = () => 42n;

  it("fixed stays; random draws; +1 adds; wired ones are left alone", () => {
    expect(withNewSeeds(seeded, draw)).toBe(seeded);
    const random = withSeedMode(withSeedMode(seeded, "a", "seed", "random"), "b", "seed", "random");
    const after = withNewSeeds(random, draw);
    expect(after.nodes.a?.values?.seed).toBe(42);
    expect(after.nodes.b?.values?.seed).toBe(1);
    const up = withNewSeeds(withSeedMode(seeded, "a", "seed", "increment"), draw);
    expect(up.nodes.a?.values?.seed).toBe(8);
    expect(withNewSeeds(up, draw).nodes.a?.values?.seed).toBe(9);
    expect(withSeedMode(random, "a", "seed", "fixed").layout?.a).toBeUndefined();
  });

  it("beyond 2^53 they are strings of digits, and the largest goes on at 0", () => {
    expect(integerValue(2n ** 53n)).toBe("9007199254740992");
    expect(integerOf("18446744073709551615")).toBe(18446744073709551615n);
    expect(integerOf(1.5)).toBeUndefined();
    const last = withSeedMode(recipe({ a: 'seed="18446744073709551615"' }), "a", "seed", "increment");
    expect(withNewSeeds(last, draw).nodes.a?.values?.seed).toBe(0);
  });
});

describe("placing", () => {
  const box = (id: string, x = 0, y = 0, w = 200, h = 100): Box => ({ id, at: [x, y], size: [w, h] });
  const arrows = [
    { from: "a", to: "b" },
    { from: "b", to: "c" },
    { from: "a", to: "c" },
    { from: "z", to: "c" },
  ];

  it("tidies from left to right, whatever the order, without overlaps", () => {
    const boxes = [box("c"), box("a", 40, 3), box("z"), box("b")];
    const places = tidy(boxes, arrows);
    expect(tidy([...boxes].reverse(), [...arrows].reverse())).toEqual(places);
    const x = (id: string) => places.get(id)?.[0] ?? Number.NaN;
    expect(x("a") < x("b") && x("b") < x("c") && x("z") === x("b")).toBe(true);
    const [b, z] = [places.get("b"), places.get("z")];
    expect(Math.abs((b?.[1] ?? 0) - (z?.[1] ?? 0))).toBeGreaterThanOrEqual(100);
    expect([...places.values()].flat().every((v) => v % 20 === 0)).toBe(true);
    expect(tidy(boxes, [...arrows, { from: "c", to: "a" }]).size).toBe(4);
  });

  it("aligns and distributes", () => {
    const boxes = [box("a", 0, 0, 100), box("b", 50, 7, 200), box("c", 400, 90, 100)];
    expect(align(boxes, "left").get("c")).toEqual([0, 90]);
    expect(align(boxes, "right").get("a")).toEqual([400, 0]);
    expect(align(boxes, "middle").get("a")).toEqual([0, 45]);
    expect(distribute(boxes, "horizontal").get("b")).toEqual([150, 7]);
    expect(distribute(boxes.slice(0, 2), "horizontal").size).toBe(0);
  });
});
