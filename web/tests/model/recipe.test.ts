import { describe, expect, it } from "vitest";
import { readJson, sameValue, writeJson } from "../../src/model/json";
import { own, parseRecipe, put, Refused, recipeText, withPart } from "../../src/model/recipe";

const workflows = import.meta.glob<string>("../../../workflows/*.json", {
  query: "?raw",
  import: "default",
  eager: true,
});

describe("recipes go through the canvas unchanged", () => {
  it("are there", () => expect(Object.keys(workflows).length).toBeGreaterThan(10));
  for (const [name, text] of Object.entries(workflows)) {
    it(name, () => expect(recipeText(parseRecipe(text))).toBe(text));
  }
});

describe("numbers", () => {
  it("keeps whole numbers beyond 2^53, and writes real numbers as JavaScript does", () => {
    const text =
      '{"a": 18446744073709551615, "b": [-9007199254740993], "c": 9007199254740994, "d": 1e+22, "e": "12345678901234567890"}';
    expect(readJson(text)).toEqual({
      a: 18446744073709551615n,
      b: [-9007199254740993n],
      c: 9007199254740994,
      d: 1e22,
      e: "12345678901234567890",
    });
    expect(writeJson(readJson(text), 0)).toBe(text.replaceAll(": ", ":").replaceAll(", ", ","));
  });

  it("reads strings that look like anything, and refuses what is no JSON", () => {
    const text =
      '{"a": "x\\"], 12345678901234567890, {", "b": 12345678901234567890, "__proto__": {"c": true, "d": null}}';
    const value = readJson(text) as Record<string, unknown>;
    expect(value.a).toBe('x"], 12345678901234567890, {');
    expect(Object.keys(value)).toEqual(["a", "b", "__proto__"]);
    expect(() => readJson('{"a": 12345678901234567890,}')).toThrow(SyntaxError);
    expect(writeJson(-0)).toBe("0");
  });
});

describe("names from files", () => {
  it("are looked up as own keys only", () => {
    const recipe = parseRecipe('{"nodes": {"constructor": {"op": "a/b@1"}, "__proto__": {"op": "a/c@1"}}}');
    expect(own(recipe.nodes, "toString")).toBeUndefined();
    expect(own(recipe.nodes, "constructor")).toEqual({ op: "a/b@1" });
    expect(own(recipe.nodes, "__proto__")).toEqual({ op: "a/c@1" });
    expect(Object.keys(put(recipe.nodes, "x", { op: "a/d@1" }))).toEqual(["constructor", "__proto__", "x"]);
  });

  it("no recipe is refused in words", () => {
    expect(() => parseRecipe("[]")).toThrow(Refused);
    expect(() => parseRecipe('{"nodes": []}')).toThrow(Refused);
  });
});

it("says whether two documents say the same", () => {
  expect(sameValue({ a: 1, b: [1n, { c: null }] }, { b: [1n, { c: null }], a: 1 })).toBe(true);
  expect(sameValue({ a: 1 }, { a: 1, b: undefined })).toBe(true);
  expect(sameValue({ a: 1 }, { a: "1" })).toBe(false);
  expect(sameValue([1], { 0: 1, length: 1 })).toBe(false);
});

it("leaves out parts that say nothing", () => {
  const part: { a?: string; b?: number[] } = { a: "x", b: [1] };
  expect(withPart(part, "a", "")).toEqual({ b: [1] });
  expect(withPart(part, "b", [])).toEqual({ a: "x" });
  expect(withPart(part, "a", "x")).toBe(part);
});
