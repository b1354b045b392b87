/** Seeds that change before a run: drawn, and written into the recipe, so that the value shown is the value used. */

import { setValue } from "./edits";
import { entryOf, seedMode } from "./layout";
import { endText, own, put, type Recipe, type RecipeNode, type Value } from "./recipe";

export const SEED_END = 2n ** 32n;
const LARGEST = 2n ** 64n;

/** A whole number from a value: a number, a BigInt, or a string of digits (which is how large ones are saved). */
export function integerOf(value: unknown): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : undefined;
  return typeof value === "string" && /^-?\d{1,40}$/.test(value) ? BigInt(value) : undefined;
}

/** An integer as a recipe writes it: a number, or a string of digits beyond 2^53. */
export function integerValue(value: bigint): Value {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

export type Draw = () => bigint;

/** 32 random bits: short enough to be read and typed. */
export const drawSeed: Draw = () => BigInt(crypto.getRandomValues(new Uint32Array(1))[0] as number);

/** New values for each seed whose mode is random or +1, in the recipe and its definitions; wired ones are left alone. */
export function withNewSeeds(recipe: Recipe, draw: Draw = drawSeed): Recipe {
  let result = recipe;
  const done = new Set<string>();
  for (const [id, node] of Object.entries(recipe.nodes)) {
    for (const port of Object.keys(entryOf(recipe, id).seed ?? {})) {
      const end = { node: id, port };
      const mode = seedMode(entryOf(recipe, id), port);
      if (mode === "fixed" || own(node.links, port) !== undefined || done.has(endText(end))) continue;
      const value = next(mode, node, port, draw);
      if (value !== undefined) result = setValue(result, end, value);
      for (const input of Object.values(recipe.inputs ?? {})) {
        if (input.to.includes(endText(end))) for (const link of input.to) done.add(link);
      }
    }
  }
  for (const [name, inner] of Object.entries(recipe.definitions ?? {})) {
    const after = withNewSeeds(inner, draw);
    if (after !== inner) result = { ...result, definitions: put(result.definitions, name, after) };
  }
  return result;
}

function next(mode: "random" | "increment", node: RecipeNode, port: string, draw: Draw): Value | undefined {
  const before = own(node.values, port);
  if (Array.isArray(before)) {
    return before.map((item) => (mode === "random" ? integerValue(draw()) : integerValue(raised(item))));
  }
  return integerValue(mode === "random" ? draw() : raised(before));
}

function raised(value: unknown): bigint {
  const after = (integerOf(value) ?? -1n) + 1n;
  return after >= LARGEST ? 0n : after;
}
