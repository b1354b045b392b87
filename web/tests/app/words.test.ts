import { expect, test } from "vitest";
import { ago, bytes, duration, fileName, NAME, titleOf, valueText } from "../../src/app/format";
import { placeText, runSpot, spotOf } from "../../src/app/place";
import { readSettings } from "../../src/app/settings";
import { titleText } from "../../src/app/title";
import { parseRecipe } from "../../src/model/recipe";

test("durations", () => {
  expect([0.04, 3.21, 42.4, 200, 7380].map(duration)).toEqual(["0.04 s", "3.2 s", "42 s", "3 min 20 s", "2 h 3 min"]);
});

test("times ago", () => {
  const now = 1_800_000_000;
  expect(ago(now - 5, now)).toBe("just now");
  expect(ago(now - 300, now)).toBe("5 min. ago");
  expect(ago(now - 7200, now)).toBe("2 hr. ago");
  expect(ago(now - 200_000, now)).toMatch(/2027/);
});

test("sizes", () => {
  expect([12, 1500, 250_000, 3_200_000_000].map(bytes)).toEqual(["12 B", "1.5 kB", "250 kB", "3.2 GB"]);
});

test("values on one line", () => {
  expect(valueText([1, 2n, "x", null])).toBe("1, 2, x, –");
  expect(valueText({ a: true, b: [1] })).toBe("a: true, b: 1");
  expect(titleOf("writing_seed")).toBe("Writing seed");
});

test("a title becomes a name that the server takes", () => {
  for (const title of ["Text to image", "a/b\\c:d", "…dots", "ümläut", "<img onerror=x>", "", "x".repeat(300)]) {
    expect(fileName(title)).toMatch(NAME);
  }
  expect(fileName("Text to image")).toBe("Text to image");
});

test("places of problems lead to a node and an input", () => {
  expect(spotOf("nodes.sampler.values.steps")).toEqual({ at: [], node: "sampler", port: "steps" });
  expect(spotOf("nodes.a.links.images[2]")).toEqual({ at: [], node: "a", port: "images" });
  expect(spotOf("definitions.hires.nodes.up.op")).toEqual({ at: ["hires"], node: "up", port: "" });
  expect(spotOf("definitions.a.definitions.b.nodes.c")).toEqual({ at: ["a", "b"], node: "c", port: "" });
  expect(spotOf("outputs.image")).toBeNull();
  expect(spotOf("")).toBeNull();
  expect(placeText("definitions.hires.nodes.up.values.factor")).toBe("hires › up › factor");
});

test("the browser tab's title says per cent while something runs", () => {
  const tab = { title: "Text to image" };
  expect(titleText({ tab, dirty: false, progress: null })).toBe("Text to image – nodeflow");
  expect(titleText({ tab, dirty: true, progress: 0.427 })).toBe("42% • Text to image – nodeflow");
  expect(titleText({ tab: undefined, dirty: false, progress: 1 })).toBe("100% nodeflow");
});

test("stored settings of the wrong kind do not count", () => {
  expect(readSettings('{"theme":"light","snap":"yes","unknown":1}')).toMatchObject({ theme: "light", snap: true });
  expect(readSettings("{")).toMatchObject({ theme: "system" });
  expect(readSettings(null)).not.toHaveProperty("unknown");
});

test("a node of a run is found in its subgraph, and the input that the message names", () => {
  const known = { nodeTypes: new Map() } as Parameters<typeof runSpot>[1];
  const recipe = parseRecipe(`{"format": "nodeflow/1",
    "nodes": {"sub": {"op": "workflow:inner"}},
    "definitions": {"inner": {"nodes": {"find": {"op": "x/find", "values": {"text": "a", "pattern": "("}}}}}}`);
  const path = [{ at: ["inner"], node: "sub" }];
  expect(runSpot(recipe, known, "sub/find", "the pattern is no text")).toEqual({
    at: ["inner"],
    node: "find",
    port: "pattern",
    path,
  });
  expect(runSpot(recipe, known, "sub", "patterns")).toEqual({ at: [], node: "sub", port: "", path: [] });
  expect(runSpot(recipe, known, "gone/find")).toEqual({ at: [], node: "gone", port: "", path: [] });
});
