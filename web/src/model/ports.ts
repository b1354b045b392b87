/**
 * What ports a node has: from the catalogue, from the sub-workflow it stands for, or, if its op is unknown, from what is
 * written in the recipe. And which wires fit: a set lookup in the `accepts` that the server gave.
 */

import type { InputPort, NodeType, OutputPort } from "../api/types";
import { type End, endOf, opName, own, type Recipe, type RecipeNode, SUBWORKFLOW } from "./recipe";
import { definitionAt, findDefinition } from "./scope";

export interface Ports {
  readonly type: NodeType | undefined;
  readonly title: string;
  readonly inputs: readonly InputPort[];
  readonly outputs: readonly OutputPort[];
  /** The op is not installed: shown as a placeholder, everything that is written is kept. */
  readonly unknown: boolean;
  /** The sub-workflow that it runs, by name. */
  readonly definition: string | undefined;
}

export interface Known {
  readonly nodeTypes: ReadonlyMap<string, NodeType>;
  /** By node id, from the server's check: ports that depend on the recipe. */
  readonly resolved?: { readonly [id: string]: NodeType };
}

export const ANY = "any";

export function anyInput(name: string): InputPort {
  return {
    name, type: ANY, accepts: [ANY], required: false, default: null, min: null, max: null, step: null, unit: "",
    choices: null, models: "", suffixes: [], widget: "", lazy: false, link_only: false, many: false, doc: "",
  }; // biome-ignore format: one port in three lines
}

const humanised = (name: string) => name.replace(/_/g, " ").replace(/^./, (c) => c.toUpperCase());

/** The ports of a node in the scope at `at`. Pure; callers cache by node object. */
export function portsOf(recipe: Recipe, at: readonly string[], id: string, node: RecipeNode, known: Known): Ports {
  const type = findType(known.nodeTypes, node.op);
  if (node.op.startsWith(SUBWORKFLOW)) {
    const name = node.op.slice(SUBWORKFLOW.length);
    const inner = definitionPorts(recipe, at, name, known, 0);
    const title = inner?.title || humanised(name);
    return inner
      ? { type: undefined, title, inputs: inner.inputs, outputs: inner.outputs, unknown: false, definition: name }
      : { ...written(recipe, at, id, node), definition: undefined };
  }
  if (type === undefined) return written(recipe, at, id, node);
  if (!type.body) {
    return {
      type,
      title: type.title,
      inputs: type.inputs,
      outputs: type.outputs,
      unknown: false,
      definition: undefined,
    };
  }
  return bodyPorts(recipe, at, id, node, type, known);
}

/** An op as the catalogue has it: this version, or else the one that is installed. */
export function findType(types: ReadonlyMap<string, NodeType>, op: string): NodeType | undefined {
  return types.get(op);
}

/** A control-flow node: its own ports and those of the sub-workflow that it runs. */
function bodyPorts(
  recipe: Recipe,
  at: readonly string[],
  id: string,
  node: RecipeNode,
  type: NodeType,
  known: Known,
): Ports {
  const chosen = own(node.values, type.body_port);
  const name = typeof chosen === "string" ? chosen : undefined;
  const inner = name === undefined ? undefined : definitionPorts(recipe, at, name, known, 0);
  const inputs = type.inputs.filter((port) => port.name !== "inputs");
  const title = type.title;
  if (inner === undefined) {
    const found = written(recipe, at, id, node);
    const extra = found.inputs.filter((port) => !inputs.some((own) => own.name === port.name));
    return {
      type,
      title,
      inputs: [...inputs, ...extra],
      outputs: found.outputs,
      unknown: false,
      definition: undefined,
    };
  }
  const over = own(node.values, "over");
  const lists = inputs.some((port) => port.name === "over") ? (Array.isArray(over) ? over : []) : undefined;
  const listed = (port: InputPort): InputPort =>
    lists?.includes(port.name)
      ? { ...port, type: `list[${port.type}]`, accepts: port.accepts.map((t) => `list[${t}]`) }
      : port;
  const outputs = lists ? inner.outputs.map((port) => ({ ...port, type: `list[${port.type}]` })) : inner.outputs;
  const extra = inner.inputs.filter((port) => !inputs.some((own) => own.name === port.name)).map(listed);
  return { type, title, inputs: [...inputs, ...extra], outputs, unknown: false, definition: name };
}

/** What is written about a node whose op is not known: each port that is mentioned. */
function written(recipe: Recipe, at: readonly string[], id: string, node: RecipeNode): Ports {
  const scope = definitionAt(recipe, at) ?? recipe;
  const names = new Set([...Object.keys(node.links ?? {}), ...Object.keys(node.values ?? {})]);
  for (const input of Object.values(scope.inputs ?? {})) {
    for (const link of input.to) if (endOf(link).node === id) names.add(endOf(link).port);
  }
  const linked = (name: string) => own(node.links, name) !== undefined && own(node.values, name) === undefined;
  const inputs = [...names].map((name) => ({
    ...anyInput(name),
    link_only: linked(name),
    many: Array.isArray(own(node.links, name)),
  }));
  const outputs = [...usedOutputs(scope, id)].map((name) => ({ name, type: ANY, doc: "" }));
  return { type: undefined, title: opName(node.op), inputs, outputs, unknown: true, definition: undefined };
}

/** The outputs of a node that something is linked to. */
export function usedOutputs(scope: Recipe, id: string): Set<string> {
  const prefix = `${id}.`;
  const found = new Set<string>();
  const note = (link: string) => {
    if (link.startsWith(prefix)) found.add(link.slice(prefix.length));
  };
  for (const node of Object.values(scope.nodes)) {
    for (const link of Object.values(node.links ?? {})) {
      if (typeof link === "string") note(link);
      else link.forEach(note);
    }
  }
  Object.values(scope.outputs ?? {}).forEach(note);
  return found;
}

interface Interface {
  readonly title: string;
  readonly inputs: readonly InputPort[];
  readonly outputs: readonly OutputPort[];
}

const MAX_NESTING = 32;

/** The ports of a sub-workflow used as a node, as the scope at `at` sees it. */
export function definitionPorts(
  recipe: Recipe,
  at: readonly string[],
  name: string,
  known: Known,
  depth: number,
): Interface | undefined {
  const place = findDefinition(recipe, at, name);
  const inner = place && definitionAt(recipe, place);
  if (place === undefined || inner === undefined || depth > MAX_NESTING) return undefined;
  const inputs = Object.entries(inner.inputs ?? {}).map(([port, declared]) => {
    const found = innerInput(recipe, place, inner, declared.to, known, depth);
    return { ...found, name: port, doc: declared.description || found.doc };
  });
  const outputs = Object.entries(inner.outputs ?? {}).map(([port, link]) => ({
    name: port,
    type: outputType(recipe, place, endOf(link), known, depth + 1),
    doc: "",
  }));
  return { title: inner.title ?? "", inputs, outputs };
}

function innerInput(
  recipe: Recipe,
  place: readonly string[],
  inner: Recipe,
  to: readonly string[],
  known: Known,
  depth: number,
): InputPort {
  const end = endOf(to[0] ?? "");
  const node = own(inner.nodes, end.node);
  if (node === undefined) return anyInput(end.port);
  const ports = nested(recipe, place, end.node, node, known, depth);
  const port = ports.find((p) => p.name === end.port) ?? anyInput(end.port);
  const value = to
    .map(endOf)
    .map((e) => own(own(inner.nodes, e.node)?.values, e.port))
    .find((v) => v !== undefined);
  const mapped = isMapped(node, end.port);
  const typed = mapped ? { ...port, type: `list[${port.type}]`, accepts: port.accepts.map((t) => `list[${t}]`) } : port;
  return value === undefined ? typed : { ...typed, default: value, required: false };
}

function nested(
  recipe: Recipe,
  place: readonly string[],
  id: string,
  node: RecipeNode,
  known: Known,
  depth: number,
): readonly InputPort[] {
  if (!node.op.startsWith(SUBWORKFLOW)) return portsOf(recipe, place, id, node, known).inputs;
  return definitionPorts(recipe, place, node.op.slice(SUBWORKFLOW.length), known, depth + 1)?.inputs ?? [];
}

export function isMapped(node: RecipeNode, port?: string): boolean {
  const names = node.each?.length ? node.each : (node.product ?? []);
  return port === undefined ? names.length > 0 : names.includes(port);
}

/** A type variable: "T" stands for whatever is linked to the input of that type. */
const isVariable = (type: string) => /^[A-Z]$/.test(type);

/** Whether an input takes whatever comes: `any`, or a type variable. */
const takesAll = (type: string) => type.split(" | ").some((part) => part === ANY || isVariable(part));

/** The type of an output, with type variables filled in, as a list if the node is mapped. */
export function outputType(recipe: Recipe, at: readonly string[], end: End, known: Known, depth = 0): string {
  const scope = definitionAt(recipe, at);
  const node = own(scope?.nodes, end.node);
  if (scope === undefined || node === undefined || depth > MAX_NESTING) return ANY;
  const inner = node.op.startsWith(SUBWORKFLOW)
    ? definitionPorts(recipe, at, node.op.slice(SUBWORKFLOW.length), known, depth + 1)
    : portsOf(recipe, at, end.node, node, known);
  let type = inner?.outputs.find((port) => port.name === end.port)?.type ?? ANY;
  const variable = /^(?:list\[)?([A-Z])\]?$/.exec(type)?.[1];
  if (variable !== undefined && inner !== undefined) {
    type = type.replace(variable, bound(recipe, at, node, inner.inputs, variable, known, depth));
  }
  return isMapped(node) ? `list[${type}]` : type;
}

function bound(
  recipe: Recipe,
  at: readonly string[],
  node: RecipeNode,
  inputs: readonly InputPort[],
  variable: string,
  known: Known,
  depth: number,
): string {
  for (const port of inputs) {
    const members = port.type.split(" | ");
    const plain = members.includes(variable);
    if (!plain && !members.includes(`list[${variable}]`)) continue;
    const link = own(node.links, port.name);
    const first = typeof link === "string" ? link : link?.[0];
    if (first !== undefined) {
      const type = outputType(recipe, at, endOf(first), known, depth + 1);
      return plain || typeof link !== "string" ? type : (itemType(type) ?? ANY);
    }
    const value = own(node.values, port.name);
    if (typeof value === "string") return "str";
    if (typeof value === "boolean") return "bool";
    if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  }
  return ANY;
}

/** "list[Image]" → "Image". */
export function itemType(type: string): string | undefined {
  return /^list\[(.*)\]$/.exec(type)?.[1];
}

const accepted = new WeakMap<readonly string[], Set<string>>();

function takes(names: readonly string[], type: string): boolean {
  let set = accepted.get(names);
  if (set === undefined) {
    set = new Set(names);
    accepted.set(names, set);
  }
  if (set.has(type) || type === ANY || isVariable(type)) return true;
  return type.includes(" | ") && type.split(" | ").every((part) => takes(names, part));
}

export type Fit = "one" | "item" | null;

/**
 * How an output of `type` may be linked to an input: as its one source, as one more item of its list, or not at all.
 * `accepts` names all output types that fit, for list inputs also those of one item.
 */
export function fits(port: InputPort, type: string, node?: RecipeNode): Fit {
  if (node && isMapped(node, port.name)) {
    const item = itemType(type);
    if (item !== undefined && (takesAll(port.type) || takes(port.accepts, item))) return "one";
    return takesAll(port.type) || takes(port.accepts, type) ? "item" : null;
  }
  if (!takesAll(port.type) && !takes(port.accepts, type)) return null;
  return port.many && type !== ANY && itemType(type) === undefined ? "item" : "one";
}
