/**
 * Sub-workflows: make one of picked nodes, unpack it again. Making and then unpacking gives the same document.
 *
 * What enters becomes declared inputs, one for each outer source; what leaves becomes declared outputs. Declared inputs
 * of the recipe that lead inside are led through, with their value written at the new node. Bends of wires that cross
 * the border are kept in the definition's layout until it is unpacked.
 */

import { mentioned } from "./fragment";
import { fresh, freshId } from "./ids";
import { sameValue } from "./json";
import {
  entryOf,
  mapReroutes,
  type Point,
  type Reroute,
  reroutes,
  withBends,
  withEntry,
  withPositions,
} from "./layout";
import { mapLinks, mapTargets } from "./links";
import {
  type DeclaredInput,
  endOf,
  endText,
  type LinkValue,
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

const portNames = (link: string) => endOf(link).port;

/** Picked nodes of a scope become the sub-workflow `name`, and a node of it stands in their place. Gives that node's id. */
export function makeSubgraph(scope: Recipe, picked: ReadonlySet<string>, wanted = "subgraph"): [Recipe, string] {
  const ids = Object.keys(scope.nodes).filter((id) => picked.has(id));
  if (ids.length === 0) throw new Refused("Select the nodes that the subgraph should hold.");
  const inside = (link: string) => picked.has(endOf(link).node);
  refuseCycle(scope, ids, inside);
  const name = fresh(
    wanted,
    (n) =>
      Object.hasOwn(scope.definitions ?? {}, n) ||
      Object.hasOwn(scope.nodes, n) ||
      Object.hasOwn(scope.layout ?? {}, n),
  );
  const instance = name;

  const inputs: Record<string, DeclaredInput> = {};
  const values: Record<string, Value> = {};
  const links: Record<string, LinkValue> = {};
  const taken = (n: string) => Object.hasOwn(inputs, n);

  // Wires that come in: one input for each outer source.
  const bySource = new Map<string, string>();
  let nodes: Record<string, RecipeNode> = {};
  for (const id of ids) {
    const node = scope.nodes[id] as RecipeNode;
    let inner = node.links;
    for (const [port, link] of Object.entries(node.links ?? {})) {
      const sources = typeof link === "string" ? [link] : link;
      const outer = sources.filter((source) => !inside(source)).length;
      if (outer === 0) continue;
      if (outer < sources.length) {
        throw new Refused(`The list “${id}.${port}” has sources inside and outside: select all of them or none.`);
      }
      const source = JSON.stringify(link);
      let input = bySource.get(source);
      if (input === undefined) {
        input = fresh(port, taken);
        bySource.set(source, input);
        inputs[input] = { to: [] };
        links[input] = link;
      }
      inputs[input] = { to: [...(inputs[input]?.to ?? []), `${id}.${port}`] };
      inner = without(inner, port);
    }
    nodes = { ...nodes, [id]: withPart(node, "links", inner) };
  }

  // Declared inputs that lead inside are led through.
  // Neighbours of one value share an input, so that order and values come back as they were.
  let run: { declared: string; input: string; value: Value | undefined } | undefined;
  const outside = mapTargets(scope, (link, declared) => {
    if (!inside(link)) {
      run = undefined;
      return [link];
    }
    const end = endOf(link);
    const value = own(own(scope.nodes, end.node)?.values, end.port);
    if (run?.declared === declared && sameValue(run.value, value)) {
      inputs[run.input] = { to: [...(inputs[run.input]?.to ?? []), link] };
      return [];
    }
    const input = fresh(declared, taken);
    inputs[input] = { to: [link] };
    if (value !== undefined) values[input] = value;
    run = { declared, input, value };
    return [`${instance}.${input}`];
  });

  // What leaves: one output for each inner output that is used outside.
  const outputs: Record<string, string> = {};
  const byOutput = new Map<string, string>();
  const outer = { ...outside, nodes: without(outside.nodes, ...ids) };
  let rest = mapLinks(outer, (link) => {
    if (!inside(link)) return link;
    let output = byOutput.get(link);
    if (output === undefined) {
      output = fresh(portNames(link), (n) => Object.hasOwn(outputs, n));
      byOutput.set(link, output);
      outputs[output] = link;
    }
    return `${instance}.${output}`;
  });

  let definition: Recipe = { nodes };
  definition = withPart(definition, "inputs", inputs);
  definition = withPart(definition, "outputs", outputs);
  const entries = ids.flatMap((id) => (own(scope.layout, id) === undefined ? [] : [[id, own(scope.layout, id)]]));
  const bends = reroutes(scope).filter((bend) => inside(bend.from) || inside(bend.to));
  let layout: Recipe["layout"] = Object.fromEntries(entries);
  if (bends.length) layout = { ...layout, reroutes: bends as unknown as Value };
  definition = withPart(definition, "layout", layout);

  let node: RecipeNode = { op: SUBWORKFLOW + name };
  node = withPart(node, "values", values);
  node = withPart(node, "links", links);
  rest = { ...rest, nodes: put(rest.nodes, instance, node), definitions: put(rest.definitions, name, definition) };
  rest = withPart(rest, "layout", without(rest.layout, ...ids));
  rest = mapReroutes(rest, (bend) => (inside(bend.from) || inside(bend.to) ? undefined : bend));
  const corner = cornerOf(definition);
  return [corner ? withEntry(rest, instance, { at: corner }) : rest, instance];
}

/** A node that is fed by the selection and feeds it would stand in a circle with the new node. */
function refuseCycle(scope: Recipe, ids: readonly string[], inside: (link: string) => boolean): void {
  const fed = new Map<string, string[]>();
  for (const [id, node] of Object.entries(scope.nodes)) {
    for (const link of Object.values(node.links ?? {}).flat()) {
      const source = endOf(link).node;
      fed.set(source, [...(fed.get(source) ?? []), id]);
    }
  }
  const within = new Set(ids);
  const todo = ids.flatMap((id) => (fed.get(id) ?? []).filter((target) => !within.has(target)));
  const seen = new Set<string>();
  while (todo.length) {
    const id = todo.pop() as string;
    if (seen.has(id)) continue;
    seen.add(id);
    for (const target of fed.get(id) ?? []) {
      if (inside(`${target}.`)) throw new Refused(`“${id}” lies between the selected nodes: select it too.`);
      todo.push(target);
    }
  }
}

/** The top left corner of what a definition holds. */
function cornerOf(definition: Recipe): Point | undefined {
  const places = Object.keys(definition.nodes)
    .map((id) => entryOf(definition, id).at)
    .filter((at) => at !== undefined);
  if (places.length === 0) return undefined;
  return [Math.min(...places.map((at) => at[0])), Math.min(...places.map((at) => at[1]))];
}

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

/** Another name for a definition of this scope; the nodes that use it follow. */
export function renameDefinition(scope: Recipe, from: string, to: string): Recipe {
  const definition = own(scope.definitions, from);
  if (definition === undefined || from === to) return scope;
  if (Object.hasOwn(scope.definitions ?? {}, to)) throw new Refused(`There is a subgraph “${to}” already.`);
  const follow = (inner: Recipe): Recipe => {
    const nodes = Object.entries(inner.nodes).map(([id, node]) => [
      id,
      node.op === SUBWORKFLOW + from ? { ...node, op: SUBWORKFLOW + to } : node,
    ]);
    const definitions = Object.entries(inner.definitions ?? {}).map(([name, d]) => [
      name,
      Object.hasOwn(d.definitions ?? {}, from) ? d : follow(d),
    ]);
    return withPart({ ...inner, nodes: Object.fromEntries(nodes) }, "definitions", Object.fromEntries(definitions));
  };
  const renamed = follow(scope);
  const inner = own(renamed.definitions, from) as Recipe;
  return { ...renamed, definitions: put(without(renamed.definitions, from), to, inner) };
}
