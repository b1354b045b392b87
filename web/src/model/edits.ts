/** Edits of nodes: add, remove, rename, values, modes. Each gives a new recipe, or the same object if nothing changes. */

import { mapReroutes, withReroute } from "./bends";
import { checkId, idForOp } from "./ids";
import { sameValue } from "./json";
import { type Entry, type Point, removeGroups, removeNotes, withEntry } from "./layout";
import { disconnect, mapLinks, mapTargets, withNode } from "./links";
import {
  declaredFor,
  type End,
  endOf,
  endText,
  type Mode,
  own,
  put,
  type Recipe,
  type RecipeNode,
  Refused,
  type Value,
  type Wire,
  without,
  withPart,
} from "./recipe";

export { withNode } from "./links";

/** A new node of an op at a place. Gives its id too. */
export function addNode(recipe: Recipe, op: string, at: Point, node: Partial<RecipeNode> = {}): [Recipe, string] {
  const id = idForOp(recipe, op);
  const added = { ...recipe, nodes: put(recipe.nodes, id, { op, ...node }) };
  return [withEntry(added, id, { at }), id];
}

/** Nodes away, with their wires, what they declare and their layout: one edit. */
export function removeNodes(recipe: Recipe, ids: ReadonlySet<string>): Recipe {
  const gone = [...ids].filter((id) => Object.hasOwn(recipe.nodes, id));
  if (gone.length === 0) return recipe;
  const away = (link: string) => ids.has(endOf(link).node);
  let result: Recipe = { ...recipe, nodes: without(recipe.nodes, ...gone) };
  result = mapLinks(result, (link) => (away(link) ? undefined : link));
  result = mapTargets(result, (link) => (away(link) ? [] : [link]));
  result = withPart(result, "layout", without(result.layout, ...gone));
  return mapReroutes(result, (item) => (away(item.from) || away(item.to) ? undefined : item));
}

/** What can be selected and removed together. */
export interface Picked {
  readonly nodes: ReadonlySet<string>;
  readonly wires: readonly Wire[];
  readonly groups: ReadonlySet<number>;
  readonly notes: ReadonlySet<string>;
  readonly reroutes: readonly { readonly from: End; readonly to: End; readonly points: readonly Point[] }[];
}

/** Everything that is selected away, as one edit. */
export function removePicked(recipe: Recipe, picked: Picked): Recipe {
  let result = disconnect(recipe, picked.wires);
  for (const { from, to, points } of picked.reroutes) result = withReroute(result, from, to, points);
  result = removeNodes(result, picked.nodes);
  result = removeGroups(result, picked.groups);
  return removeNotes(result, picked.notes);
}

/**
 * Nodes away, but what flowed through them goes on: each output that is used is replaced by the first linked input of
 * which `through` says that it fits.
 */
export function removeReconnecting(
  recipe: Recipe,
  ids: readonly string[],
  through: (id: string, output: string) => readonly string[],
): Recipe {
  let result = recipe;
  for (const id of ids) {
    const node = own(result.nodes, id);
    if (node === undefined) continue;
    result = mapLinks(result, (link) => {
      const end = endOf(link);
      if (end.node !== id) return link;
      for (const port of through(id, end.port)) {
        const source = own(node.links, port);
        const first = typeof source === "string" ? source : source?.[0];
        if (first !== undefined) return first;
      }
      return link;
    });
    result = removeNodes(result, new Set([id]));
  }
  return result;
}

/** Another id: links, declared inputs and outputs and the layout follow. */
export function renameNode(recipe: Recipe, from: string, to: string): Recipe {
  if (from === to) return recipe;
  checkId(to);
  if (Object.hasOwn(recipe.nodes, to)) throw new Refused(`There is a node “${to}” already.`);
  if (Object.hasOwn(recipe.layout ?? {}, to)) throw new Refused(`“${to}” is the name of a note: take another id.`);
  if (!Object.hasOwn(recipe.nodes, from)) return recipe;
  const rename = (link: string) => {
    const end = endOf(link);
    return end.node === from ? endText({ ...end, node: to }) : link;
  };
  const entries = Object.entries(recipe.nodes).map(([id, node]) => [id === from ? to : id, node] as const);
  let result: Recipe = { ...recipe, nodes: Object.fromEntries(entries) };
  result = mapLinks(result, rename);
  result = mapTargets(result, (link) => [rename(link)]);
  const entry = own(result.layout, from);
  if (entry !== undefined) result = { ...result, layout: put(without(result.layout, from), to, entry) };
  return mapReroutes(result, (item) => {
    const [a, b] = [rename(item.from), rename(item.to)];
    return a === item.from && b === item.to ? item : { ...item, from: a, to: b };
  });
}

/**
 * Write a value at a port; undefined takes it away, so that the default counts. Ports that the same declared input
 * feeds get the same value: of differing ones the engine takes the first.
 */
export function setValue(recipe: Recipe, end: End, value: Value | undefined): Recipe {
  const name = declaredFor(recipe, end);
  const targets = name === undefined ? [end] : (own(recipe.inputs, name)?.to ?? []).map(endOf);
  return targets.reduce((result, target) => setOne(result, target, value), recipe);
}

function setOne(recipe: Recipe, { node: id, port }: End, value: Value | undefined): Recipe {
  return withNode(recipe, id, (node) => {
    const before = own(node.values, port);
    if (value === undefined) return withPart(node, "values", without(node.values, port));
    return before !== undefined && sameValue(before, value) ? node : { ...node, values: put(node.values, port, value) };
  });
}

export function setTitle(recipe: Recipe, id: string, title: string): Recipe {
  return withNode(recipe, id, (node) => withPart(node, "title", title.trim()));
}

/** Nodes into a mode; when all of them are in it already, back to active. */
export function toggleMode(recipe: Recipe, ids: Iterable<string>, mode: Mode): Recipe {
  const all = [...ids].filter((id) => Object.hasOwn(recipe.nodes, id));
  const back = all.every((id) => own(recipe.nodes, id)?.mode === mode);
  return all.reduce(
    (result, id) =>
      withNode(result, id, (node) => withPart(node, "mode", back || mode === "active" ? undefined : mode)),
    recipe,
  );
}

/** The same change of the layout of several nodes. */
export function changeEntries(recipe: Recipe, ids: Iterable<string>, change: Partial<Entry>): Recipe {
  return [...ids].reduce((result, id) => withEntry(result, id, change), recipe);
}

/** Map a node over the list at a port, or no longer. */
export function toggleMapped(recipe: Recipe, { node: id, port }: End, kind: "each" | "product"): Recipe {
  return withNode(recipe, id, (node) => {
    const names = node[kind] ?? [];
    const other = kind === "each" ? "product" : "each";
    const on = !names.includes(port);
    const mapped = withPart(node, kind, on ? [...names, port] : names.filter((name) => name !== port));
    const moved =
      on && mapped[other]?.length
        ? withPart(withPart(mapped, other, undefined), kind, [...(node[other] ?? []).filter((n) => n !== port), port])
        : mapped;
    const value = own(moved.values, port);
    if (value === undefined) return moved;
    const next = on ? (Array.isArray(value) ? value : [value]) : Array.isArray(value) ? value[0] : value;
    return withPart(moved, "values", next === undefined ? without(moved.values, port) : put(moved.values, port, next));
  });
}

/** A node into a wire: what came along the wire goes into `input`, and `output` goes on to where it went. */
export function insertInWire(recipe: Recipe, id: string, wire: Wire, input: string, output: string): Recipe {
  const fed = withNode(recipe, id, (node) => ({ ...node, links: put(node.links, input, endText(wire.from)) }));
  const through = endText({ node: id, port: output });
  const target = withNode(fed, wire.to.node, (node) => {
    const before = own(node.links, wire.to.port);
    const after = typeof before === "string" ? through : (before ?? []).map((s, i) => (i === wire.index ? through : s));
    return { ...node, links: put(node.links, wire.to.port, after) };
  });
  return mapReroutes(target, (item) =>
    item.from === endText(wire.from) && item.to === endText(wire.to) ? undefined : item,
  );
}
