/**
 * The recipe as immutable values: what the canvas edits and what is saved are the same document.
 *
 * Edits (`edits.ts`, `links.ts`, `layout.ts`, ...) are pure functions from one recipe to the next that share what they
 * leave alone. Names come from files: they are looked up with `own`, never by bare indexing ("constructor" is an id).
 */

import { readJson, type Value, writeJson } from "./json";

export type { Value };
export type Mode = "active" | "muted" | "bypassed";
export type LinkValue = string | readonly string[];
export type Entries<T> = { readonly [key: string]: T };

export interface RecipeNode {
  readonly op: string;
  readonly title?: string;
  readonly mode?: Mode;
  readonly values?: Entries<Value>;
  readonly links?: Entries<LinkValue>;
  readonly each?: readonly string[];
  readonly product?: readonly string[];
}

export interface DeclaredInput {
  readonly to: readonly string[];
  readonly title?: string;
  readonly description?: string;
}

export interface Recipe {
  readonly format?: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputs?: Entries<DeclaredInput>;
  readonly outputs?: Entries<string>;
  readonly nodes: Entries<RecipeNode>;
  readonly definitions?: Entries<Recipe>;
  readonly layout?: Entries<Value>;
}

export const SUBWORKFLOW = "workflow:";
export const EMPTY: Recipe = { format: "nodeflow/1", nodes: {} };

/** A refused edit, with the reason in words; nothing has changed. */
export class Refused extends Error {}

/** Read a recipe's JSON text. Throws `SyntaxError` or `Refused` if it is none; rules are the server's business. */
export function parseRecipe(text: string): Recipe {
  return asRecipe(readJson(text.replace(/^\ufeff/, "")));
}

/** A parsed document as a recipe. */
export function asRecipe(document: unknown): Recipe {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new Refused("This is no recipe: a JSON object was expected.");
  }
  const recipe = document as Recipe;
  const nodes: unknown = recipe.nodes;
  if (nodes === undefined) return { ...recipe, nodes: {} };
  if (typeof nodes !== "object" || nodes === null || Array.isArray(nodes)) {
    throw new Refused("This is no recipe: “nodes” is not an object.");
  }
  return recipe;
}

/** The document as JSON text. Nothing is lost; the canonical form is made by the server when it saves. */
export function recipeText(recipe: Recipe): string {
  return `${writeJson(recipe)}\n`;
}

/** An object's own entry, or undefined: ids and port names may be called "constructor". */
export function own<T>(map: Entries<T> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** The same map with an entry put in. */
export function put<T>(map: Entries<T> | undefined, key: string, value: T): Entries<T> {
  return { ...map, [key]: value };
}

/** The same map without some keys; the very same object if it has none of them. */
export function without<T>(map: Entries<T> | undefined, ...keys: string[]): Entries<T> {
  if (map === undefined) return {};
  const gone = keys.filter((key) => Object.hasOwn(map, key));
  if (gone.length === 0) return map;
  return Object.fromEntries(Object.entries(map).filter(([key]) => !gone.includes(key)));
}

/** The same part with a key set, or without it when there is nothing to say: `undefined`, "", {} and [] are left out. */
export function withPart<T extends object, K extends keyof T>(part: T, key: K, value: T[K] | undefined): T {
  if (part[key] === value) return part;
  const empty =
    value === undefined || value === "" || (typeof value === "object" && value !== null && isEmpty(value as object));
  if (!empty) return { ...part, [key]: value };
  if (!Object.hasOwn(part, key)) return part;
  return Object.fromEntries(Object.entries(part).filter(([name]) => name !== key)) as T;
}

function isEmpty(value: object): boolean {
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
}

/** An output or input by node and port, as links write it. */
export interface End {
  readonly node: string;
  readonly port: string;
}

export function endOf(link: string): End {
  const dot = link.indexOf(".");
  return dot < 0 ? { node: link, port: "" } : { node: link.slice(0, dot), port: link.slice(dot + 1) };
}

export function endText(end: End): string {
  return `${end.node}.${end.port}`;
}

/** "diffusion/sample@1" → "diffusion/sample". */
export function opName(op: string): string {
  const at = op.lastIndexOf("@");
  return at < 0 ? op : op.slice(0, at);
}

/** One wire: the source's output, the target's input, and which of the sources of a list input it is. */
export interface Wire {
  readonly from: End;
  readonly to: End;
  readonly index: number;
  readonly many: boolean;
}

const wiresOf = new WeakMap<RecipeNode, { id: string; wires: Wire[] }>();

/** The wires that feed a node, in port order as written; the same list for the same node. */
export function wiresInto(id: string, node: RecipeNode): Wire[] {
  const known = wiresOf.get(node);
  if (known?.id === id) return known.wires;
  const found = Object.entries(node.links ?? {}).flatMap(([port, link]) => {
    const many = typeof link !== "string";
    const sources = many ? link : [link];
    return sources.map((source, index) => ({ from: endOf(source), to: { node: id, port }, index, many }));
  });
  wiresOf.set(node, { id, wires: found });
  return found;
}

/** All wires of a recipe. */
export function wires(recipe: Recipe): Wire[] {
  return Object.entries(recipe.nodes).flatMap(([id, node]) => wiresInto(id, node));
}

/** The name of the declared input that feeds a port, if one does. */
export function declaredFor(recipe: Recipe, end: End): string | undefined {
  const text = endText(end);
  return Object.entries(recipe.inputs ?? {}).find(([, input]) => input.to.includes(text))?.[0];
}
