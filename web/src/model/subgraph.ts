/**
 * Sub-workflows: make one of picked nodes, unpack it again. Making and then unpacking gives the same document.
 *
 * What enters becomes declared inputs, one for each outer source; what leaves becomes declared outputs. Declared inputs
 * of the recipe that lead inside are led through, with their value written at the new node. Bends of wires that cross
 * the border are kept in the definition's layout until it is unpacked.
 */

import { mapReroutes, reroutes } from "./bends";
import { fresh } from "./ids";
import { sameValue } from "./json";
import { entryOf, type Point, withEntry } from "./layout";
import { mapLinks, mapTargets } from "./links";
import {
  type DeclaredInput,
  endOf,
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
export function cornerOf(definition: Recipe): Point | undefined {
  const places = Object.keys(definition.nodes)
    .map((id) => entryOf(definition, id).at)
    .filter((at) => at !== undefined);
  if (places.length === 0) return undefined;
  return [Math.min(...places.map((at) => at[0])), Math.min(...places.map((at) => at[1]))];
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
