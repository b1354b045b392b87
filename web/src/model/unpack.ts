/** Unpacking a sub-workflow: the inverse of making one (`subgraph`). */

import { type Reroute, reroutes, withBends } from "./bends";
import { mentioned } from "./fragment";
import { fresh, freshId } from "./ids";
import { entryOf, type Point, withPositions } from "./layout";
import { mapLinks, mapTargets } from "./links";
import {
  endOf,
  endText,
  own,
  put,
  type Recipe,
  type RecipeNode,
  Refused,
  SUBWORKFLOW,
  type Value,
  without,
  withPart,
} from "./recipe";
import { cornerOf } from "./subgraph";

/** The nodes of a sub-workflow in place of the node that stands for it. Gives their ids. */
export function unpackSubgraph(
  scope: Recipe,
  instance: string,
  definition: Recipe,
  isUsed: (recipe: Recipe, name: string) => boolean = usesDefinition,
): [Recipe, string[]] {
  const node = own(scope.nodes, instance);
  if (node === undefined || !node.op.startsWith(SUBWORKFLOW)) throw new Refused("That is no subgraph.");
  if (node.each?.length || node.product?.length)
    throw new Refused("A mapped subgraph cannot be unpacked: it runs several times.");
  if (node.mode === "bypassed") throw new Refused("A bypassed subgraph cannot be unpacked: its nodes would run.");
  const name = node.op.slice(SUBWORKFLOW.length);
  let result: Recipe = { ...scope, nodes: without(scope.nodes, instance), layout: without(scope.layout, instance) };
  result = withPart(result, "layout", result.layout);
  const hoisted = hoist(result, definition);
  result = hoisted.recipe;

  // Ids of the inner nodes, as they will be here.
  const ids = new Map<string, string>();
  const dropped = own(result.definitions, name) === definition && !isUsed(result, name);
  if (dropped) result = withPart(result, "definitions", without(result.definitions, name));
  for (const id of Object.keys(definition.nodes)) {
    const free = freshId(result, id);
    ids.set(id, free);
    result = { ...result, nodes: put(result.nodes, free, { op: "" }) };
  }
  const local = (link: string) => {
    const end = endOf(link);
    return endText({ ...end, node: ids.get(end.node) ?? end.node });
  };

  // The inner nodes, with what the node had at their declared inputs.
  for (const [id, inner] of Object.entries(definition.nodes)) {
    const entries = Object.entries(inner.links ?? {}).map(([port, link]) => [
      port,
      typeof link === "string" ? local(link) : link.map(local),
    ]);
    const copy = hoisted.rename(withPart(inner, "links", Object.fromEntries(entries)));
    const mode = node.mode === "muted" ? { ...copy, mode: "muted" as const } : copy;
    result = { ...result, nodes: put(result.nodes, ids.get(id) as string, mode) };
  }
  for (const [input, declared] of Object.entries(definition.inputs ?? {})) {
    const link = own(node.links, input);
    const value = own(node.values, input);
    for (const end of declared.to.map(local).map(endOf)) {
      const inner = own(result.nodes, end.node);
      if (inner === undefined) continue;
      let fed = inner;
      if (link !== undefined) fed = { ...fed, links: put(fed.links, end.port, link) };
      else if (value !== undefined) fed = { ...fed, values: put(fed.values, end.port, value) };
      result = { ...result, nodes: put(result.nodes, end.node, fed) };
    }
  }

  // What was linked to the node is linked to what is inside.
  result = mapLinks(result, (link) => {
    const end = endOf(link);
    if (end.node !== instance) return link;
    const inner = own(definition.outputs, end.port);
    return inner === undefined ? undefined : local(inner);
  });
  result = mapTargets(result, (link) => {
    const end = endOf(link);
    return end.node === instance ? (own(definition.inputs, end.port)?.to ?? []).map(local) : [link];
  });
  return [withInnerLayout(result, scope, instance, definition, ids, local), [...ids.values()]];
}

function withInnerLayout(
  recipe: Recipe,
  scope: Recipe,
  instance: string,
  definition: Recipe,
  ids: ReadonlyMap<string, string>,
  local: (link: string) => string,
): Recipe {
  const corner = cornerOf(definition) ?? [0, 0];
  const at = entryOf(scope, instance).at ?? corner;
  const by: Point = [at[0] - corner[0], at[1] - corner[1]];
  let layout = recipe.layout;
  const places = new Map<string, Point>();
  for (const [id, free] of ids) {
    const entry = own(definition.layout, id);
    if (entry !== undefined) layout = put(layout, free, entry);
    const place = entryOf(definition, id).at;
    if (place !== undefined) places.set(free, [place[0] + by[0], place[1] + by[1]]);
  }
  const bends = reroutes(definition).map((bend): Reroute => {
    const points = bend.at.map(([x, y]): Point => [x + by[0], y + by[1]]);
    return { from: local(bend.from), to: local(bend.to), at: points };
  });
  const linked = (bend: Reroute) => {
    const end = endOf(bend.to);
    return [own(own(recipe.nodes, end.node)?.links, end.port) ?? []].flat().includes(bend.from);
  };
  const kept = bends.filter(linked);
  const laid = withPart(recipe, "layout", layout);
  const placed = kept.length ? withBends(laid, [...reroutes(laid), ...kept] as unknown as Value[]) : laid;
  return by[0] === 0 && by[1] === 0 ? placed : withPositions(placed, places);
}

/** A definition's own definitions, moved out; under other names if theirs are taken by something else. */
function hoist(recipe: Recipe, definition: Recipe): { recipe: Recipe; rename: (node: RecipeNode) => RecipeNode } {
  const names = new Map<string, string>();
  let result = recipe;
  for (const [name, inner] of Object.entries(definition.definitions ?? {})) {
    const free =
      own(result.definitions, name) === inner ? name : fresh(name, (n) => Object.hasOwn(result.definitions ?? {}, n));
    names.set(name, free);
    result = { ...result, definitions: put(result.definitions, free, inner) };
  }
  const rename = (node: RecipeNode): RecipeNode => {
    if (node.op.startsWith(SUBWORKFLOW)) {
      const name = names.get(node.op.slice(SUBWORKFLOW.length));
      return name === undefined ? node : { ...node, op: SUBWORKFLOW + name };
    }
    const values = Object.entries(node.values ?? {}).map(([port, value]) => [
      port,
      (typeof value === "string" && names.get(value)) || value,
    ]);
    return node.values ? { ...node, values: Object.fromEntries(values) } : node;
  };
  return { recipe: result, rename };
}

/** Whether a scope, or a definition in it, mentions a sub-workflow. */
export function usesDefinition(scope: Recipe, name: string): boolean {
  if (Object.values(scope.nodes).some((node) => mentioned(node).includes(name))) return true;
  return Object.values(scope.definitions ?? {}).some((inner) => usesDefinition(inner, name));
}
