import { describe, expect, it } from "vitest";
import { sameValue } from "../../src/model/json";
import { definitionPorts } from "../../src/model/ports";
import type { Recipe } from "../../src/model/recipe";
import { editScope, eventPrefix, findDefinition, validPath } from "../../src/model/scope";
import { makeSubgraph, renameDefinition } from "../../src/model/subgraph";
import { unpackSubgraph } from "../../src/model/unpack";
import { input, known, nodeType, recipe } from "./help";

//  a ──┬── b ──┬── d ── e
//      └── c ──┘
const graph = recipe(
  {
    a: "seed=1",
    b: 'a.out -> in; text="x"',
    c: "a.out -> in; a.out -> more[]",
    d: "b.out -> left, c.out -> right",
    e: "d.out -> in",
  },
  {
    inputs: { seed: { to: ["a.seed"] }, text: { to: ["b.text", "a.text", "c.text"] } },
    outputs: { result: "e.out", middle: "c.out" },
    layout: {
      a: { at: [0, 0] },
      b: { at: [100, 20], colour: "red" },
      c: { at: [100, 200] },
      d: { at: [200, 0] },
      e: { at: [300, 0] },
      groups: [{ title: "all", at: [0, 0], size: [9, 9] }],
      reroutes: [
        { from: "a.out", to: "b.in", at: [[50, 50]] },
        { from: "b.out", to: "d.left", at: [[150, 50]] },
        { from: "d.out", to: "e.in", at: [[250, 0]] },
      ],
    },
  },
);

function packed(scope: Recipe, ids: string[]): [Recipe, string, Recipe] {
  const [made, instance] = makeSubgraph(scope, new Set(ids));
  return [made, instance, made.definitions?.[instance] as Recipe];
}

describe("make and unpack", () => {
  for (const ids of [["b"], ["b", "c"], ["b", "c", "d"], ["a"], ["e"], ["a", "b", "c", "d", "e"], ["c", "d", "e"]]) {
    it(`${ids.join(" ")} gives the same document`, () => {
      const [made, instance, definition] = packed(graph, ids);
      expect(Object.keys(made.nodes).length).toBe(5 - ids.length + 1);
      const [back, nodes] = unpackSubgraph(made, instance, definition);
      expect(nodes.toSorted()).toEqual(ids);
      expect(sameValue(back, graph), JSON.stringify(back)).toBe(true);
    });
  }

  it("wires become ports, declared inputs are led through with their value", () => {
    const [made, instance, definition] = packed(graph, ["b", "c"]);
    expect(made.nodes[instance]).toEqual({
      op: "workflow:subgraph",
      values: { text: "x" },
      links: { in: "a.out", more: ["a.out"] },
    });
    expect(made.inputs?.text?.to).toEqual(["subgraph.text", "a.text", "subgraph.text_2"]);
    expect(definition.inputs).toEqual({
      in: { to: ["b.in", "c.in"] },
      more: { to: ["c.more"] },
      text: { to: ["b.text"] },
      text_2: { to: ["c.text"] },
    });
    expect(definition.outputs).toEqual({ out: "b.out", out_2: "c.out" });
    expect(made.nodes.d?.links).toEqual({ left: "subgraph.out", right: "subgraph.out_2" });
    expect(made.outputs).toEqual({ result: "e.out", middle: "subgraph.out_2" });
    expect(made.layout?.subgraph).toEqual({ at: [100, 20] });
  });

  it("refuses what would be a circle, and lists that are half inside", () => {
    expect(() => makeSubgraph(graph, new Set(["a", "d"]))).toThrow(/between/);
    const lists = recipe({ a: "", b: "", c: "a.out -> list[], b.out -> list[]" });
    expect(() => makeSubgraph(lists, new Set(["b", "c"]))).toThrow(/list/);
  });

  it("a definition in use elsewhere stays, a moved node moves what it holds, taken ids get others", () => {
    const [made, instance, definition] = packed(graph, ["b", "c"]);
    const again: Recipe = {
      ...made,
      nodes: { ...made.nodes, second: { op: "workflow:subgraph" }, b: { op: "test/other@1" } },
      layout: { ...made.layout, [instance]: { at: [110, 20] } },
    };
    const [back, ids] = unpackSubgraph(again, instance, definition);
    expect(ids).toEqual(["b_2", "c"]);
    expect(back.definitions).toBe(again.definitions);
    expect(back.layout?.c).toEqual({ at: [110, 200] });
    expect(back.nodes.d?.links).toEqual({ left: "b_2.out", right: "c.out" });
  });

  it("definitions of its own move out with it", () => {
    const inner: Recipe = {
      nodes: { x: { op: "workflow:deep" } },
      outputs: { o: "x.y" },
      definitions: { deep: recipe({ q: "" }) },
    };
    const scope: Recipe = { nodes: { s: { op: "workflow:inner" } }, definitions: { inner, deep: recipe({ r: "" }) } };
    const [back] = unpackSubgraph(scope, "s", inner);
    expect(back.nodes).toEqual({ x: { op: "workflow:deep_2" } });
    expect(Object.keys(back.definitions ?? {})).toEqual(["deep", "deep_2"]);
  });
});

describe("definitions by name", () => {
  const deep: Recipe = {
    nodes: { outer: { op: "workflow:one" } },
    definitions: {
      one: { nodes: { n: { op: "workflow:two" } }, definitions: { two: { nodes: {} } } },
      two: { nodes: { z: { op: "t/z@1" } } },
    },
  };

  it("are found in the scope that uses them first, then around it", () => {
    expect(findDefinition(deep, ["one"], "two")).toEqual(["one", "two"]);
    expect(findDefinition(deep, [], "two")).toEqual(["two"]);
    expect(findDefinition(deep, ["two"], "one")).toEqual(["one"]);
    expect(findDefinition(deep, [], "three")).toBeUndefined();
  });

  it("are edited in place; a path ends where its definition is gone", () => {
    const after = editScope(deep, ["one", "two"], (scope) => ({ ...scope, title: "T" }));
    expect(after.definitions?.one?.definitions?.two?.title).toBe("T");
    expect(after.definitions?.two).toBe(deep.definitions?.two);
    expect(editScope(deep, ["one"], (scope) => scope)).toBe(deep);
    const path = [
      { at: ["one"], node: "outer" },
      { at: ["one", "gone"], node: "n" },
    ];
    expect(validPath(deep, path)).toEqual([path[0]]);
    expect(eventPrefix(path)).toBe("outer/n/");
  });

  it("are renamed with the nodes that use them, but not where another is meant", () => {
    const after = renameDefinition(deep, "two", "zwei");
    expect(Object.keys(after.definitions ?? {})).toEqual(["one", "zwei"]);
    expect(after.definitions?.one?.nodes.n?.op).toBe("workflow:two");
    expect(renameDefinition(deep, "one", "uno").nodes.outer?.op).toBe("workflow:uno");
  });

  it("have the ports that they declare", () => {
    const types = known(nodeType("test/b@1", [input("text", ["str"]), input("in", ["Image"])], { out: "Image" }));
    const [made] = packed(graph, ["b", "c"]);
    const ports = definitionPorts(made, [], "subgraph", types, 0);
    expect(ports?.inputs.map((p) => [p.name, p.type, p.default])).toEqual([
      ["in", "Image", null],
      ["more", "any", null],
      ["text", "str", "x"],
      ["text_2", "any", null],
    ]);
    expect(ports?.outputs.map((p) => [p.name, p.type])).toEqual([
      ["out", "Image"],
      ["out_2", "any"],
    ]);
  });
});
