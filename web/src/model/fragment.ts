/**
 * Copy and paste: a fragment is a small recipe, so what lies on the clipboard is JSON that anyone can read, and a whole
 * recipe can be pasted too. Pasting renames ids, keeps inner wires and drops what came from outside unless asked.
 */

import { reroutes, withReroute } from "./bends";
import { fresh, isTaken } from "./ids";
import { readJson, sameValue } from "./json";
import { addGroup, addNote, type Group, groups, notes, type Point } from "./layout";
import {
  asRecipe,
  type Entries,
  endOf,
  endText,
  own,
  put,
  type Recipe,
  type RecipeNode,
  SUBWORKFLOW,
  type Value,
  withPart,
} from "./recipe";
import { definitionAt, findDefinition } from "./scope";

export const MARK = "x-nodeflow-fragment";

export interface Choice {
  readonly nodes: ReadonlySet<string>;
  readonly groups?: ReadonlySet<number>;
  readonly notes?: ReadonlySet<string>;
}

/** What is picked, as a recipe of its own; the links that come from elsewhere stay written in it. */
export function copyFragment(recipe: Recipe, at: readonly string[], choice: Choice): Recipe | undefined {
  const scope = definitionAt(recipe, at);
  if (scope === undefined) return undefined;
  const ids = Object.keys(scope.nodes).filter((id) => choice.nodes.has(id));
  const pickedGroups = groups(scope).filter((g, i) => g && choice.groups?.has(i)) as Group[];
  const pickedNotes = notes(scope).filter((n) => choice.notes?.has(n.key));
  if (ids.length + pickedGroups.length + pickedNotes.length === 0) return undefined;
  let fragment: Recipe = {
    format: "nodeflow/1",
    nodes: Object.fromEntries(ids.map((id) => [id, scope.nodes[id] as RecipeNode])),
  };
  const layout = ids.flatMap((id) => (own(scope.layout, id) === undefined ? [] : [[id, own(scope.layout, id)]]));
  fragment = withPart(fragment, "layout", Object.fromEntries(layout) as Entries<Value>);
  fragment = withPart(fragment, "definitions", usedDefinitions(recipe, at, ids));
  for (const group of pickedGroups) fragment = addGroup(fragment, group);
  for (const note of pickedNotes) fragment = addNote(fragment, note);
  for (const bend of reroutes(scope)) {
    if (choice.nodes.has(endOf(bend.from).node) && choice.nodes.has(endOf(bend.to).node)) {
      fragment = withReroute(fragment, endOf(bend.from), endOf(bend.to), bend.at);
    }
  }
  return { ...fragment, [MARK]: 1 } as Recipe;
}

/** The definitions that nodes use, and those that these use, by name. */
function usedDefinitions(recipe: Recipe, at: readonly string[], ids: readonly string[]): Entries<Recipe> {
  const found: Record<string, Recipe> = {};
  const visit = (scope: Recipe, place: readonly string[], names: readonly string[]) => {
    for (const id of names) {
      for (const name of mentioned(scope.nodes[id] as RecipeNode)) {
        const where = findDefinition(recipe, place, name);
        const inner = where && definitionAt(recipe, where);
        if (where === undefined || inner === undefined || Object.hasOwn(found, name)) continue;
        if (where.length > at.length + 1) continue; // comes along inside its owner
        found[name] = inner;
        visit(inner, where, Object.keys(inner.nodes));
      }
    }
  };
  visit(definitionAt(recipe, at) as Recipe, at, ids);
  return found;
}

/** Names of sub-workflows that a node may mean: its op, or a text value (the body of a control-flow node). */
export function mentioned(node: RecipeNode): string[] {
  const texts = Object.values(node.values ?? {}).filter((value) => typeof value === "string" && value.length <= 64);
  return node.op.startsWith(SUBWORKFLOW) ? [node.op.slice(SUBWORKFLOW.length)] : (texts as string[]);
}

/** The text of the clipboard as a fragment, or undefined: foreign text is ignored. */
export function readFragment(text: string): Recipe | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const recipe = asRecipe(readJson(text));
    const nodes = Object.values(recipe.nodes);
    const ours = MARK in recipe || recipe.format === "nodeflow/1";
    return ours && nodes.every((node) => typeof node?.op === "string") ? recipe : undefined;
  } catch {
    return undefined;
  }
}

export interface Pasted {
  readonly recipe: Recipe;
  readonly nodes: readonly string[];
  /** By the id on the clipboard, the id here. */
  readonly ids: ReadonlyMap<string, string>;
}

/** Put a fragment into a scope, moved by `by`. `wired`: links from nodes that are here are kept too. */
export function pasteFragment(scope: Recipe, fragment: Recipe, by: Point, wired: boolean): Pasted {
  const ids = new Map<string, string>();
  const definitions = new Map<string, string>();
  let result = scope;
  for (const [name, definition] of Object.entries(fragment.definitions ?? {})) {
    const there = own(result.definitions, name);
    const same = there !== undefined && sameValue(there, definition);
    const free = same || there === undefined ? name : fresh(name, (n) => Object.hasOwn(result.definitions ?? {}, n));
    definitions.set(name, free);
    if (!same) result = { ...result, definitions: put(result.definitions, free, definition) };
  }
  const taken = new Set<string>();
  for (const id of Object.keys(fragment.nodes)) {
    const free = fresh(id, (name) => taken.has(name) || isTaken(result, name));
    ids.set(id, free);
    taken.add(free);
  }
  const nodes: [string, RecipeNode][] = [];
  const layout: [string, Value][] = [];
  for (const [id, node] of Object.entries(fragment.nodes)) {
    const target = ids.get(id) as string;
    nodes.push([target, renamed(node, ids, definitions, wired ? scope : undefined)]);
    layout.push([target, movedEntry(own(fragment.layout, id), by)]);
  }
  if (nodes.length) {
    result = {
      ...result,
      nodes: { ...result.nodes, ...Object.fromEntries(nodes) },
      layout: { ...result.layout, ...Object.fromEntries(layout) },
    };
  }
  for (const group of groups(fragment)) {
    if (group === undefined) continue;
    const held = group.nodes.flatMap((id) => ids.get(id) ?? []);
    result = addGroup(result, { ...group, at: moved(group.at, by), nodes: held });
  }
  for (const note of notes(fragment)) result = addNote(result, { ...note, at: moved(note.at, by) });
  for (const bend of reroutes(fragment)) {
    const [from, to] = [endOf(bend.from), endOf(bend.to)];
    const [a, b] = [ids.get(from.node), ids.get(to.node)];
    if (a && b)
      result = withReroute(
        result,
        { ...from, node: a },
        { ...to, node: b },
        bend.at.map((p) => moved(p, by)),
      );
  }
  return { recipe: result, nodes: [...ids.values()], ids };
}

const moved = ([x, y]: Point, [dx, dy]: Point): Point => [x + dx, y + dy];

/** A node's entry of the layout, moved; without a place of its own it lands where the paste is. */
function movedEntry(entry: Value | undefined, by: Point): Value {
  const [dx, dy] = [Math.round(by[0]), Math.round(by[1])];
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return { at: [dx, dy] };
  const at = (entry as { at?: unknown }).at;
  if (!Array.isArray(at)) return entry;
  const place = moved([Math.round(Number(at[0])), Math.round(Number(at[1]))], [dx, dy]);
  return { ...(entry as Entries<Value>), at: place };
}

function renamed(
  node: RecipeNode,
  ids: ReadonlyMap<string, string>,
  definitions: ReadonlyMap<string, string>,
  around: Recipe | undefined,
): RecipeNode {
  const follow = (link: string): string | undefined => {
    const end = endOf(link);
    const inner = ids.get(end.node);
    if (inner !== undefined) return endText({ ...end, node: inner });
    return around && Object.hasOwn(around.nodes, end.node) ? link : undefined;
  };
  const links = Object.entries(node.links ?? {}).flatMap(([port, link]) => {
    const sources = (typeof link === "string" ? [link] : link).map(follow).filter((s) => s !== undefined);
    return sources.length ? [[port, typeof link === "string" ? sources[0] : sources]] : [];
  });
  let copy = withPart(node, "links", Object.fromEntries(links));
  if (node.op.startsWith(SUBWORKFLOW)) {
    const name = definitions.get(node.op.slice(SUBWORKFLOW.length));
    if (name !== undefined) copy = { ...copy, op: SUBWORKFLOW + name };
  } else {
    for (const [port, value] of Object.entries(node.values ?? {})) {
      const name = typeof value === "string" ? definitions.get(value) : undefined;
      if (name !== undefined && name !== value) copy = { ...copy, values: put(copy.values, port, name) };
    }
  }
  return copy;
}
