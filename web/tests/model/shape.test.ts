import { describe, expect, it } from "vitest";
import { portsOf } from "../../src/model/ports";
import { shapeOf } from "../../src/model/shape";
import { input, known, nodeType, recipe } from "./help";

const type = nodeType(
  "test/a@1",
  [
    input("image", ["Image"], { link_only: true, required: true }),
    input("mask", ["Mask"], { link_only: true }),
    input("amount", ["float"]),
    input("text", ["str"], { widget: "multiline" }),
    input("file", ["File"], { suffixes: [".png"] }),
  ],
  { out: "Image" },
);
const none = new Set<string>();

function shape(text: string, entry = {}, used = none, fed = none) {
  const r = recipe({ a: text });
  const node = r.nodes.a ?? { op: "" };
  return shapeOf(portsOf(r, [], "a", node, known(type)), node, entry, used, fed);
}

describe("the shape of a node", () => {
  it("follows from its ports and what is written", () => {
    const plain = shape("");
    expect(plain.rows.map((row) => [row.key, row.kind, row.top])).toEqual([
      ["ports:0", "ports", 44],
      ["ports:1", "ports", 68],
      ["in:amount", "widget", 96],
      ["in:text", "text", 128],
      ["in:file", "widget", 236],
    ]);
    expect(plain.spots.map((spot) => `${spot.side}:${spot.name} ${spot.y}`)).toEqual([
      "in:image 56",
      "out:out 56",
      "in:mask 80",
      "in:amount 110",
      "in:text 140",
      "in:file 250",
    ]);
    expect(plain.height).toBe(272);
    expect(shape('file="x.png"').height).toBe(272 + 120);
    expect(shape("b.o -> text").height).toBe(272 - 76);
    expect(shape("", { heights: { text: 100 } }).height).toBe(272 + 24);
  });

  it("collapsed: all ports at the sides of the title", () => {
    const folded = shape("", { collapsed: true, size: [300, 0] });
    expect([folded.width, folded.height]).toEqual([300, 36]);
    expect(new Set(folded.spots.map((spot) => spot.y))).toEqual(new Set([18]));
    expect(folded.spots.length).toBe(6);
  });

  it("unused ports can be hidden, used ones stay", () => {
    const some = shape("x.o -> image; amount=1", { hide_unused: true }, none, new Set(["text"]));
    expect(some.spots.map((spot) => spot.name)).toEqual(["image", "amount", "text"]);
    expect(some.hidden).toBe(3);
    expect(shape("", { hide_unused: true }, new Set(["out"])).spots.map((spot) => spot.name)).toEqual(["out"]);
  });
});
