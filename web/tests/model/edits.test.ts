import { describe, expect, it } from "vitest";
import {
  addNode,
  insertInWire,
  removeNodes,
  removePicked,
  removeReconnecting,
  renameNode,
  setValue,
  toggleMapped,
  toggleMode,
} from "../../src/model/edits";
import { connect, declareInput, disconnect } from "../../src/model/links";
import { Refused, wires } from "../../src/model/recipe";
import { recipe } from "./help";

const end = (text: string) => ({ node: text.split(".")[0] ?? "", port: text.split(".")[1] ?? "" });

//  a ──┬── b ── d
//      └── c ───┘
const diamond = recipe(
  { a: 'text="x"', b: "a.out -> in", c: "a.out -> in", d: "b.out -> left, c.out -> right" },
  {
    inputs: { text: { to: ["a.text"] } },
    outputs: { result: "d.out" },
    layout: { a: { at: [0, 0] }, b: { at: [10, 0] } },
  },
);

describe("connecting", () => {
  it("an input holds one wire, and a drop replaces it", () => {
    const after = connect(diamond, end("a.out"), end("d.left"), "one");
    expect(after.nodes.d?.links).toEqual({ left: "a.out", right: "c.out" });
    expect(diamond.nodes.d?.links?.left).toBe("b.out");
    expect(connect(after, end("a.out"), end("d.left"), "one")).toBe(after);
  });

  it("a list input gets one more", () => {
    const once = connect(recipe({ a: "", b: "" }), end("a.out"), end("b.list"), "item");
    const twice = connect(once, end("a.out"), end("b.list"), "item");
    expect(twice.nodes.b?.links).toEqual({ list: ["a.out", "a.out"] });
    expect(disconnect(twice, [{ to: end("b.list"), index: 0 }]).nodes.b?.links).toEqual({ list: ["a.out"] });
    expect(disconnect(once, [{ to: end("b.list"), index: 0 }]).nodes.b).toEqual({ op: "test/b@1" });
  });

  it("what does not fit and what would be a circle is refused in words", () => {
    expect(() => connect(diamond, end("a.out"), end("d.left"), null)).toThrow(Refused);
    expect(() => connect(diamond, end("d.out"), end("a.in"), "one")).toThrow(/circle/);
    expect(() => connect(diamond, end("a.out"), end("a.in"), "one")).toThrow(/circle/);
  });

  it("a wire takes the place of a declared input, and the other way round", () => {
    const wired = connect(
      recipe({ z: "", ...{ a: "" } }, { inputs: { text: { to: ["a.text"] } } }),
      end("z.out"),
      end("a.text"),
      "one",
    );
    expect(wired.inputs).toBeUndefined();
    const declared = declareInput(diamond, "left", end("d.left"));
    expect(declared.inputs).toEqual({ text: { to: ["a.text"] }, left: { to: ["d.left"] } });
    expect(declared.nodes.d?.links).toEqual({ right: "c.out" });
  });
});

describe("removing", () => {
  it("takes wires, declared names and layout along, in one edit", () => {
    const after = removeNodes(diamond, new Set(["a", "d"]));
    expect(after).toEqual({
      format: "nodeflow/1",
      nodes: { b: { op: "test/b@1" }, c: { op: "test/c@1" } },
      layout: { b: { at: [10, 0] } },
    });
  });

  it("nodes, wires, notes and groups together", () => {
    const full = {
      ...diamond,
      layout: {
        ...diamond.layout,
        groups: [
          { title: "g", at: [0, 0] },
          { title: "h", at: [1, 1] },
        ],
        memo: { note: "n", at: [0, 0] },
      },
    };
    const picked = {
      nodes: new Set(["b"]),
      wires: wires(diamond).filter((w) => w.to.port === "right"),
      groups: new Set([0]),
      notes: new Set(["memo"]),
      reroutes: [],
    };
    const after = removePicked(full, picked);
    expect(wires(after).map((w) => w.to.node)).toEqual(["c"]);
    expect(after.layout).toEqual({ a: { at: [0, 0] }, groups: [{ title: "h", at: [1, 1] }] });
    expect(removeNodes(diamond, new Set(["nobody"]))).toBe(diamond);
  });

  it("reconnects what flowed through", () => {
    const after = removeReconnecting(diamond, ["b"], () => ["in"]);
    expect(after.nodes.d?.links).toEqual({ left: "a.out", right: "c.out" });
    const chain = removeReconnecting(
      recipe({ a: "", b: "a.o -> in", c: "b.o -> in", d: "c.o -> in" }),
      ["b", "c"],
      () => ["in"],
    );
    expect(chain.nodes).toEqual({ a: { op: "test/a@1" }, d: { op: "test/d@1", links: { in: "a.o" } } });
  });
});

describe("names", () => {
  it("come from the op and stay unique", () => {
    const [one, first] = addNode(diamond, "image/blend@1", [1.4, 2]);
    const [two, second] = addNode(one, "image/blend@1", [0, 0]);
    expect([first, second]).toEqual(["blend", "blend_2"]);
    expect(two.layout?.blend).toEqual({ at: [1, 2] });
    expect(addNode(two, "workflow:groups", [0, 0])[1]).toBe("groups_2");
  });

  it("are followed by links, declared names, layout and bends", () => {
    const bent = { ...diamond, layout: { ...diamond.layout, reroutes: [{ from: "a.out", to: "b.in", at: [[5, 5]] }] } };
    const after = renameNode(bent, "a", "start");
    expect(Object.keys(after.nodes)).toEqual(["start", "b", "c", "d"]);
    expect(wires(after).map((w) => w.from.node)).toEqual(["start", "start", "b", "c"]);
    expect(after.inputs).toEqual({ text: { to: ["start.text"] } });
    expect(after.layout).toEqual({
      b: { at: [10, 0] },
      reroutes: [{ from: "start.out", to: "b.in", at: [[5, 5]] }],
      start: { at: [0, 0] },
    });
    expect(() => renameNode(diamond, "a", "b")).toThrow(Refused);
    expect(() => renameNode(diamond, "a", "no good")).toThrow(Refused);
    expect(renameNode(after, "start", "a").nodes).toEqual(diamond.nodes);
  });
});

describe("values and modes", () => {
  it("ports of one declared input keep one value", () => {
    const two = { ...diamond, inputs: { text: { to: ["a.text", "b.text"] } } };
    const after = setValue(two, end("b.text"), "y");
    expect([after.nodes.a?.values, after.nodes.b?.values]).toEqual([{ text: "y" }, { text: "y" }]);
    expect(setValue(diamond, end("a.text"), "x")).toBe(diamond);
    expect(setValue(diamond, end("a.text"), undefined).nodes.a).toEqual({ op: "test/a@1" });
  });

  it("modes go on together and off together", () => {
    const muted = toggleMode(diamond, ["a", "b"], "muted");
    expect([muted.nodes.a?.mode, muted.nodes.b?.mode]).toEqual(["muted", "muted"]);
    expect(toggleMode(muted, ["a", "b"], "muted")).toEqual(diamond);
    expect(toggleMode(muted, ["a", "c"], "bypassed").nodes.c?.mode).toBe("bypassed");
  });

  it("mapping makes a list of the value and back", () => {
    const each = toggleMapped(diamond, end("a.text"), "each");
    expect(each.nodes.a).toEqual({ op: "test/a@1", values: { text: ["x"] }, each: ["text"] });
    expect(toggleMapped(each, end("a.text"), "each")).toEqual(diamond);
  });

  it("a node goes into a wire", () => {
    const [added, id] = addNode(diamond, "test/mid@1", [0, 0]);
    const wire = wires(added).find((w) => w.to.port === "left");
    if (!wire) throw new Error("no wire");
    const after = insertInWire(added, id, wire, "in", "out");
    expect(after.nodes.d?.links?.left).toBe("mid.out");
    expect(after.nodes.mid?.links).toEqual({ in: "b.out" });
  });
});
