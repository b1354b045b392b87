/** Ids are for people: readable, unique, and kept when a node is copied unless they would collide. */

import { opName, type Recipe, Refused, SUBWORKFLOW } from "./recipe";

const ID = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
const PORT = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** Keys of `layout` that are lists, so no node is called that. */
export const RESERVED = ["groups", "notes", "reroutes"];

export function checkId(id: string): void {
  if (!ID.test(id)) throw new Refused("An id has letters, digits, _ and - only, at most 64 of them.");
  if (RESERVED.includes(id)) throw new Refused(`“${id}” is a word of the layout: take another id.`);
}

export function checkPortName(name: string): void {
  if (!PORT.test(name)) throw new Refused("A name has letters, digits and _ only, and does not begin with a digit.");
}

/** `wanted`, or `wanted_2`, `wanted_3`, ...: the first that is not taken. */
export function fresh(wanted: string, taken: (name: string) => boolean): string {
  const stem = wanted.slice(0, 58) || "node";
  if (!taken(stem)) return stem;
  const base = stem.replace(/_\d+$/, "") || stem;
  for (let number = 2; ; number++) {
    const name = `${base}_${number}`;
    if (!taken(name)) return name;
  }
}

/** An id for a new node of this op: the op's last part, made unique. */
export function idForOp(recipe: Recipe, op: string): string {
  const last = op.startsWith(SUBWORKFLOW) ? op.slice(SUBWORKFLOW.length) : (opName(op).split("/").at(-1) ?? "node");
  const clean = last.replace(/[^A-Za-z0-9_-]/g, "_").replace(/^-+/, "");
  return freshId(recipe, clean || "node");
}

export function freshId(recipe: Recipe, wanted: string): string {
  return fresh(wanted, (id) => isTaken(recipe, id));
}

/** Notes stand in `layout` under ids of their own, so those are taken too. */
export function isTaken(recipe: Recipe, id: string): boolean {
  return Object.hasOwn(recipe.nodes, id) || RESERVED.includes(id) || Object.hasOwn(recipe.layout ?? {}, id);
}
