import { describe, expect, it } from "vitest";
import { reach, targetsOf } from "../../src/canvas/connecting";
import { FlowCache, INPUTS, OUTPUTS } from "../../src/canvas/flow";
import { rank, score } from "../../src/canvas/fuzzy";
import { crosses } from "../../src/canvas/Knife";
import { carriedBy, isPlain, moved, shownMoved, withBend, withCarried } from "../../src/canvas/moving";
import { typeInfo } from "../../src/canvas/types";
import { curve } from "../../src/canvas/WireView";
import { typedValue, valueText } from "../../src/canvas/widgets/JsonField";
import { fitNumber, stepOf, typedNumber } from "../../src/canvas/widgets/NumberField";
import { setValue } from "../../src/model/edits";
import { withEntry, withPositions } from "../../src/model/layout";
import { makeSubgraph } from "../../src/model/subgraph";
import { input, known, nodeType, recipe } from "../model/help";

const types = known(
  nodeType("test/a@1", [input("text", ["str"])], { out: "Image" }),
  nodeType("test/b@1", [input("in", ["Image"]), input("amount", ["float", "int"])], { out: "Image" }),
  nodeType("test/c@1", [input("in", ["Image"]), input("latent", ["Latent"])], { out: "Latent" }),
);
const chain = recipe(
  { a: 'text="x"', b: "a.out -> in", c: "b.out -> in" },
  { layout: { a: { at: [0, 0] }, b: { at: [300, 0] }, c: { at: [600, 0] } } },
);
const nothing = new Set<string>();

describe("React Flow's arrays", () => {
  const derive = (cache: FlowCache, r = chain, selection: ReadonlySet<string> = nothing, at: string[] = []) =>
    cache.derive("t", r, at, types, selection, nothing);

  it("one edit makes one new node, and its view draws again only if it looks different", () => {
    const cache = new FlowCache();
    const one = derive(cache);
    expect(derive(cache).nodes.every((node, i) => node === one.nodes[i])).toBe(true);
    const valued = derive(cache, setValue(chain, { node: "a", port: "text" }, "y"));
    expect(valued.nodes.map((node, i) => node === one.nodes[i])).toEqual([false, true, true]);
    const back = derive(cache);
    const moved = derive(cache, withPositions(chain, new Map([["b", [310, 5]]])));
    expect(moved.nodes.map((node, i) => node === back.nodes[i])).toEqual([true, false, true]);
    expect(moved.nodes[1]?.data).toBe(back.nodes[1]?.data);
    expect(moved.edges).toBe(back.edges);
    const chosen = derive(cache, chain, new Set(["c"]));
    expect(chosen.nodes[2]?.data).toBe(back.nodes[2]?.data);
    expect(chosen.nodes[2]?.selected).toBe(true);
  });

  it("ports and sizes are known without mounting anything", () => {
    const { nodes, edges } = derive(new FlowCache());
    const node = nodes.find((n) => n.id === "b");
    expect(node?.measured).toEqual({ width: node?.width, height: node?.height });
    expect(node?.handles?.map((h) => h.id)).toEqual(["out:out", "in:in", "in:amount"]);
    expect(edges.map((edge) => [edge.source, edge.targetHandle, edge.data?.type])).toEqual([
      ["a", "in:in", "Image"],
      ["b", "in:in", "Image"],
    ]);
  });

  it("nodes without a place are tidied below the others", () => {
    const lost = { ...chain, layout: { a: { at: [0, 0] } } };
    const { nodes } = derive(new FlowCache(), lost);
    expect(nodes.slice(1).every((node) => node.position.y > 80)).toBe(true);
    expect(nodes[1]?.position.x).toBeLessThan(nodes[2]?.position.x ?? 0);
  });

  it("a collapsed frame hides its nodes and keeps their wires", () => {
    const framed = {
      ...chain,
      layout: {
        ...chain.layout,
        groups: [{ title: "F", at: [250, -50], size: [300, 300], collapsed: true, nodes: ["b"] }],
      },
    };
    const { nodes, edges } = derive(new FlowCache(), framed);
    const ghost = nodes.find((node) => node.id === "b");
    expect([ghost?.type, ghost?.position.x, ghost?.handles?.length]).toEqual(["ghost", 250, 3]);
    expect(edges.length).toBe(2);
  });

  it("a subgraph has its ends at its sides", () => {
    const [made] = makeSubgraph(chain, new Set(["b"]));
    const { nodes, edges } = derive(new FlowCache(), made, nothing, ["subgraph"]);
    expect(nodes.map((node) => node.id)).toEqual(["b", INPUTS, OUTPUTS]);
    expect(edges.map((edge) => `${edge.source} ${edge.target}`)).toEqual([`${INPUTS} b`, `b ${OUTPUTS}`]);
  });
});

describe("wiring", () => {
  it("lights the ports that take the wire, and none that would make a circle", () => {
    const out = { node: "b", port: "out", side: "out", type: "Image" } as const;
    expect([...targetsOf(chain, [], out, types).keys()]).toEqual(["in:c.in"]);
    const back = { node: "b", port: "in", side: "in", type: "Image" } as const;
    expect([...targetsOf(chain, [], back, types).keys()]).toEqual(["out:a.out"]);
    expect([...reach(chain, "c", "up")].toSorted()).toEqual(["a", "b", "c"]);
  });

  it("bends go where they are nearest", () => {
    expect(
      withBend(
        [[100, 0]],
        [
          [0, 0],
          [200, 0],
        ],
        [150, 9],
      ),
    ).toEqual([
      [100, 0],
      [150, 9],
    ]);
    expect(
      withBend(
        [[100, 0]],
        [
          [0, 0],
          [200, 0],
        ],
        [50, 9],
      ),
    ).toEqual([
      [50, 9],
      [100, 0],
    ]);
    expect(
      curve([
        [0, 0],
        [100, 0],
      ]),
    ).toBe("M0,0C50,0 50,0 100,0");
    expect(crosses([0, 0], [10, 10], [0, 10], [10, 0])).toBe(true);
    expect(crosses([0, 0], [10, 10], [20, 0], [30, 10])).toBe(false);
  });
});

describe("moving", () => {
  const framed = {
    ...chain,
    layout: {
      ...chain.layout,
      groups: [{ title: "F", at: [280, -40], size: [300, 400] }],
      notes: [{ text: "n", at: [310, 100], size: [50, 50] }],
    },
  };

  it("a frame takes what it holds along, once", () => {
    const { nodes } = new FlowCache().derive("t", framed, [], types, nothing, nothing);
    const carried = carriedBy(["group:0"], new Set(["group:0"]), nodes, framed);
    const after = moved(framed, withCarried(new Map([["group:0", [300, 0]]]), carried));
    expect(after.layout).toMatchObject({
      a: { at: [0, 0] },
      b: { at: [320, 40] },
      groups: [{ at: [300, 0] }],
      notes: [{ at: [330, 140] }],
    });
    const own = carriedBy(["group:0"], new Set(["group:0", "b"]), nodes, framed);
    expect(
      withCarried(
        new Map([
          ["group:0", [300, 0]],
          ["b", [1, 1]],
        ]),
        own,
      ).get("b"),
    ).toEqual([1, 1]);
  });

  it("nodes that a collapsed frame hides move with it", () => {
    const folded = {
      ...framed,
      layout: {
        ...framed.layout,
        groups: [{ title: "F", at: [280, -40], size: [300, 400], collapsed: true, nodes: ["b"] }],
      },
    };
    const { nodes } = new FlowCache().derive("t", folded, [], types, nothing, nothing);
    const carried = carriedBy(["group:0"], new Set(["group:0"]), nodes, folded);
    const after = moved(folded, withCarried(new Map([["group:0", [300, -40]]]), carried));
    expect(after.layout?.b).toEqual({ at: [320, 0] });
  });

  it("what is dragged is only shown, unless a bend or a collapsed frame is among it", () => {
    const { nodes } = new FlowCache().derive("t", framed, [], types, nothing, nothing);
    const shown = shownMoved(nodes, new Map([["b", [301.4, 7]]]));
    expect(shown.filter((node, i) => node !== nodes[i]).map((node) => node.id)).toEqual(["b"]);
    const b = shown.find((node) => node.id === "b");
    expect(b?.position).toEqual({ x: 301, y: 7 });
    expect(b?.style).toMatchObject({ left: 301, top: 7 });
    expect(b?.data).toBe(nodes.find((node) => node.id === "b")?.data);

    const folded = { ...framed, layout: { groups: [{ at: [0, 0], collapsed: true, nodes: ["b"] }] } };
    expect(isPlain(["a", "note:notes:0", "group:0"], framed)).toBe(true);
    expect(isPlain(["a", "group:0"], folded)).toBe(false);
    expect(isPlain(["a", "reroute:a.out→b.in#0"], framed)).toBe(false);
  });

  it("a node that was removed while it was dragged gets no place", () => {
    expect(moved(chain, new Map([["gone", [1, 2]]]))).toBe(chain);
  });

  it("what changes only the place is no new layout for others", () => {
    const after = withEntry(chain, "a", { at: [5, 5] });
    expect(after.layout?.b).toBe(chain.layout?.b);
  });
});

describe("search", () => {
  it("finds letters in order, words first", () => {
    expect(score("encp", "Encode prompt")).not.toBeNull();
    expect(score("xyz", "Encode prompt")).toBeNull();
    const items = ["Decode", "Encode prompt", "Load checkpoint", "Encode image"];
    expect(rank("enc", items, (i) => [i])[0]).toMatch(/^Encode/);
    expect(rank("prompt enc", items, (i) => [i])).toEqual(["Encode prompt"]);
    expect(
      rank(
        "",
        items,
        (i) => [i],
        (i) => (i === "Load checkpoint" ? 5 : 0),
      )[0],
    ).toBe("Load checkpoint");
  });
});

describe("widgets", () => {
  const float = input("f", ["float"], { min: 0, max: 1, step: 0.01 });
  const int = input("i", ["int"], { min: 1, max: 100 });

  it("numbers stay in range and on their steps", () => {
    expect(fitNumber(float, 0.123456)).toBe(0.12);
    expect(fitNumber(float, 7)).toBe(1);
    expect(fitNumber(int, 3.7)).toBe(4);
    expect([stepOf(float), stepOf(int), stepOf(input("x", ["float"]))]).toEqual([0.01, 1, 0.5]);
    expect(typedNumber(float, "0,125")).toBe(0.125);
    expect(typedNumber(int, "1e1")).toBe(10);
    expect(typedNumber(int, "ten")).toBeNull();
    expect(typedNumber(int, "500")).toBe(100);
  });

  it("lists are typed with commas or as JSON", () => {
    expect(typedValue("1, 2, 3", "list[int]")).toEqual([1, 2, 3]);
    expect(typedValue("a, b", "list[str]")).toEqual(["a", "b"]);
    expect(typedValue("[1]", "list[int]")).toEqual([1]);
    expect(typedValue("x", "dict")).toBeUndefined();
    expect(typedValue("18446744073709551615", "any")).toBe(18446744073709551615n);
    expect(valueText([1, "b"])).toBe('1,"b"'.replaceAll(",", ", "));
  });

  it("types without a look of their own have that of what they are made of", () => {
    const known = new Map([["Image", { name: "Image", colour: "blue", shape: "square" as const }]]);
    expect(typeInfo(known, "list[Image]")).toEqual({ name: "list[Image]", colour: "blue", shape: "ring" });
    expect(typeInfo(known, "Image | None").colour).toBe("blue");
    expect(typeInfo(known, "Odd").colour).toBe("grey");
  });
});
