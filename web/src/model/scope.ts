/**
 * Where an edit happens: the recipe itself, or one of its sub-workflows.
 *
 * A `Step` of the path says which definition is looked at (`at`: its names from the outside in) and through which node it
 * was entered (`node`, "" when opened by itself). A name is looked up as the engine does: in the recipe that uses it
 * first, then in those around it.
 */

import { own, put, type Recipe } from "./recipe";

export interface Step {
  readonly at: readonly string[];
  readonly node: string;
}

export type Path = readonly Step[];

/** The definition at a place, or undefined if it is gone. */
export function definitionAt(recipe: Recipe, at: readonly string[]): Recipe | undefined {
  let scope: Recipe | undefined = recipe;
  for (const name of at) scope = own(scope?.definitions, name);
  return scope;
}

/** The same recipe with one of its scopes changed; the very same object if nothing changed. */
export function editScope(recipe: Recipe, at: readonly string[], change: (scope: Recipe) => Recipe): Recipe {
  const [name, ...rest] = at;
  if (name === undefined) return change(recipe);
  const inner = own(recipe.definitions, name);
  if (inner === undefined) return recipe;
  const after = editScope(inner, rest, change);
  return after === inner ? recipe : { ...recipe, definitions: put(recipe.definitions, name, after) };
}

/** Where the sub-workflow `name`, used in the scope at `at`, is defined. */
export function findDefinition(recipe: Recipe, at: readonly string[], name: string): readonly string[] | undefined {
  for (let depth = at.length; depth >= 0; depth--) {
    const around = at.slice(0, depth);
    if (own(definitionAt(recipe, around)?.definitions, name)) return [...around, name];
  }
  return undefined;
}

/** The part of a path that still exists. */
export function validPath(recipe: Recipe, path: Path): Path {
  const end = path.findIndex((step) => definitionAt(recipe, step.at) === undefined);
  return end < 0 ? path : path.slice(0, end);
}

/** What ids of nodes begin with in progress events, for what is entered through nodes: "hires/". */
export function eventPrefix(path: Path): string {
  return path.map((step) => `${step.node}/`).join("");
}
