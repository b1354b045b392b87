/** Wires: connecting, replacing, cutting. A refused connection throws `Refused` with the reason in words. */

import { mapReroutes } from "./bends";
import type { Fit } from "./ports";
import {
  type DeclaredInput,
  declaredFor,
  type End,
  endOf,
  endText,
  type LinkValue,
  own,
  put,
  type Recipe,
  type RecipeNode,
  Refused,
  type Wire,
  wiresInto,
  without,
  withPart,
} from "./recipe";

/** The same recipe with one node changed. */
export function withNode(recipe: Recipe, id: string, change: (node: RecipeNode) => RecipeNode): Recipe {
  const node = own(recipe.nodes, id);
  if (node === undefined) return recipe;
  const after = change(node);
  return after === node ? recipe : { ...recipe, nodes: put(recipe.nodes, id, after) };
}

/**
 * Link an output to an input. An input holds one wire, so what was there is replaced; a list input ("item") gets one
 * more. A declared input that fed the port no longer does.
 */
export function connect(recipe: Recipe, from: End, to: End, fit: Fit): Recipe {
  if (fit === null) throw new Refused(`${endText(from)} does not fit ${endText(to)}.`);
  if (feeds(recipe, to.node, from.node)) {
    throw new Refused(`That would be a circle: ${from.node} is computed from ${to.node}.`);
  }
  const linked = withNode(recipe, to.node, (node) => {
    const before = own(node.links, to.port);
    const source = endText(from);
    if (fit === "one") return before === source ? node : { ...node, links: put(node.links, to.port, source) };
    const sources = typeof before === "string" ? [] : (before ?? []);
    return { ...node, links: put(node.links, to.port, [...sources, source]) };
  });
  return linked === recipe ? recipe : undeclare(linked, to);
}

/** Whether `target` gets anything from `source`, however far away (or is it). */
export function feeds(recipe: Recipe, source: string, target: string): boolean {
  const todo = [target];
  const seen = new Set<string>();
  while (todo.length) {
    const id = todo.pop() as string;
    if (id === source) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    const node = own(recipe.nodes, id);
    if (node) for (const wire of wiresInto(id, node)) todo.push(wire.from.node);
  }
  return false;
}

/** Take wires away. For list inputs only the one at its index. */
export function disconnect(recipe: Recipe, gone: readonly Pick<Wire, "to" | "index">[]): Recipe {
  let result = recipe;
  const byPort = new Map<string, { to: End; indexes: Set<number> }>();
  for (const { to, index } of gone) {
    const key = endText(to);
    const entry = byPort.get(key) ?? { to, indexes: new Set<number>() };
    entry.indexes.add(index);
    byPort.set(key, entry);
  }
  for (const { to, indexes } of byPort.values()) {
    result = withNode(result, to.node, (node) => {
      const link = own(node.links, to.port);
      if (link === undefined) return node;
      const kept = typeof link === "string" ? [] : link.filter((_, index) => !indexes.has(index));
      const links = kept.length ? put(node.links, to.port, kept as LinkValue) : without(node.links, to.port);
      return withPart(node, "links", links);
    });
  }
  return result === recipe ? recipe : pruneReroutes(result);
}

/** Bends of wires that are no longer there go; what was kept from elsewhere (subgraphs) stays with its definition. */
function pruneReroutes(recipe: Recipe): Recipe {
  return mapReroutes(recipe, (item) => {
    const end = endOf(item.to);
    const node = own(recipe.nodes, end.node);
    if (node === undefined) return item;
    return wiresInto(end.node, node).some((w) => w.to.port === end.port && endText(w.from) === item.from)
      ? item
      : undefined;
  });
}

/** Move all wires that leave one output to another. */
export function moveSource(recipe: Recipe, from: End, to: End): Recipe {
  const [before, after] = [endText(from), endText(to)];
  return mapLinks(recipe, (link) => (link === before ? after : link));
}

/** Each link, declared target and declared output through a function; undefined takes it away. */
export function mapLinks(recipe: Recipe, change: (link: string, to: End) => string | undefined): Recipe {
  let nodes = recipe.nodes;
  for (const [id, node] of Object.entries(recipe.nodes)) {
    let links = node.links;
    for (const [port, link] of Object.entries(node.links ?? {})) {
      const to = { node: id, port };
      const sources = typeof link === "string" ? [link] : link;
      const after = sources.map((source) => change(source, to)).filter((source) => source !== undefined);
      if (after.length === sources.length && after.every((source, i) => source === sources[i])) continue;
      if (after.length === 0) links = without(links, port);
      else links = put(links, port, typeof link === "string" ? (after[0] as string) : after);
    }
    if (links !== node.links) nodes = put(nodes, id, withPart(node, "links", links));
  }
  const outputs: [string, string][] = [];
  let moved = false;
  for (const [name, link] of Object.entries(recipe.outputs ?? {})) {
    const after = change(link, { node: "", port: name });
    if (after !== link) moved = true;
    if (after !== undefined) outputs.push([name, after]);
  }
  const linked = nodes === recipe.nodes ? recipe : { ...recipe, nodes };
  return moved ? withPart(linked, "outputs", Object.fromEntries(outputs)) : linked;
}

// --- what a recipe declares --------------------------------------------------------------------------------------------

/** A port is no longer fed by a declared input; an input that feeds nothing goes. */
export function undeclare(recipe: Recipe, end: End): Recipe {
  const name = declaredFor(recipe, end);
  return name === undefined ? recipe : mapTargets(recipe, (link) => (link === endText(end) ? [] : [link]));
}

/** Each target of each declared input through a function. Inputs that feed nothing any more go; the order stays. */
export function mapTargets(recipe: Recipe, change: (link: string, name: string) => readonly string[]): Recipe {
  let moved = false;
  const inputs: [string, DeclaredInput][] = [];
  for (const [name, input] of Object.entries(recipe.inputs ?? {})) {
    const to = input.to.flatMap((link) => change(link, name));
    const same = to.length === input.to.length && to.every((link, i) => link === input.to[i]);
    if (!same) moved = true;
    if (to.length) inputs.push([name, same ? input : { ...input, to }]);
  }
  return moved ? withPart(recipe, "inputs", Object.fromEntries(inputs)) : recipe;
}

/** Make a port part of the recipe's interface, under `name` (which may feed other ports already). Its wire goes. */
export function declareInput(recipe: Recipe, name: string, end: End): Recipe {
  const link = endText(end);
  const before = own(recipe.inputs, name);
  if (before?.to.includes(link)) return recipe;
  const free = undeclare(recipe, end);
  const node = own(free.nodes, end.node);
  const wired = node ? wiresInto(end.node, node).filter((wire) => wire.to.port === end.port) : [];
  const cut = disconnect(free, wired);
  const input = own(cut.inputs, name) ?? before;
  return { ...cut, inputs: put(cut.inputs, name, { ...input, to: [...(own(cut.inputs, name)?.to ?? []), link] }) };
}

export function declareOutput(recipe: Recipe, name: string, end: End): Recipe {
  return { ...recipe, outputs: put(recipe.outputs, name, endText(end)) };
}

export function removeDeclared(recipe: Recipe, side: "inputs" | "outputs", name: string): Recipe {
  if (side === "inputs") return withPart(recipe, "inputs", without(recipe.inputs, name));
  return withPart(recipe, "outputs", without(recipe.outputs, name));
}

/** Another name for a declared input or output; its place in the order stays. */
export function renameDeclared(recipe: Recipe, side: "inputs" | "outputs", from: string, to: string): Recipe {
  const rename = <T>(map: { readonly [key: string]: T } | undefined) =>
    Object.fromEntries(Object.entries(map ?? {}).map(([key, value]) => [key === from ? to : key, value]));
  if (Object.hasOwn(recipe[side] ?? {}, to)) throw new Refused(`“${to}” is there already.`);
  return side === "inputs"
    ? { ...recipe, inputs: rename(recipe.inputs) }
    : { ...recipe, outputs: rename(recipe.outputs) };
}
