/**
 * A wire that is being drawn: from where, and which ports would take it. While it lasts each port looks itself up: ports
 * that accept glow, all others dim.
 */

import { create } from "zustand";
import type { Catalogue } from "../api/catalogue";
import { type Fit, fits, outputType, portsOf } from "../model/ports";
import { endText, own, type Recipe } from "../model/recipe";
import { definitionAt } from "../model/scope";
import { INPUTS, OUTPUTS } from "./flow";

export interface Origin {
  readonly node: string;
  readonly port: string;
  readonly side: "in" | "out";
  readonly type: string;
}

interface Connecting {
  readonly origin: Origin | null;
  /** "in:node.port" or "out:node.port" → how it would be linked. */
  readonly targets: ReadonlyMap<string, Fit>;
}

const NONE: ReadonlyMap<string, Fit> = new Map();
export const useConnecting = create<Connecting>(() => ({ origin: null, targets: NONE }));

export type PortState = "idle" | "origin" | "accepts" | "dim";

export const portState =
  (key: string) =>
  (state: Connecting): PortState => {
    if (state.origin === null) return "idle";
    if (key === `${state.origin.side}:${state.origin.node}.${state.origin.port}`) return "origin";
    return state.targets.has(key) ? "accepts" : "dim";
  };

/** The type of an output, or what an input takes, in words. */
export function typeAt(recipe: Recipe, at: readonly string[], origin: Omit<Origin, "type">, catalogue: Known): string {
  const scope = definitionAt(recipe, at) ?? recipe;
  if (origin.side === "out") return outputType(recipe, at, origin, catalogue);
  const node = own(scope.nodes, origin.node);
  const ports = node && portsOf(recipe, at, origin.node, node, catalogue);
  return ports?.inputs.find((port) => port.name === origin.port)?.type ?? "any";
}

type Known = Pick<Catalogue, "nodeTypes">;

/** Every port that could take the wire, with how it would be linked. One pass over the scope, by set lookups. */
export function targetsOf(recipe: Recipe, at: readonly string[], origin: Origin, catalogue: Known): Map<string, Fit> {
  const scope = definitionAt(recipe, at) ?? recipe;
  const found = new Map<string, Fit>();
  const upstream = origin.side === "out" ? reach(scope, origin.node, "up") : reach(scope, origin.node, "down");
  const source = own(scope.nodes, origin.node);
  const taken =
    source && portsOf(recipe, at, origin.node, source, catalogue).inputs.find((p) => p.name === origin.port);
  for (const [id, node] of Object.entries(scope.nodes)) {
    if (upstream.has(id)) continue;
    const ports = portsOf(recipe, at, id, node, catalogue);
    if (origin.side === "out") {
      for (const port of ports.inputs) {
        const fit = fits(port, origin.type, node);
        if (fit) found.set(`in:${id}.${port.name}`, fit);
      }
    } else if (taken) {
      for (const port of ports.outputs) {
        const fit = fits(taken, outputType(recipe, at, { node: id, port: port.name }, catalogue), source);
        if (fit) found.set(`out:${id}.${port.name}`, fit);
      }
    }
  }
  if (at.length) addBorder(scope, origin, found);
  return found;
}

/** In a subgraph: its inputs feed any port, any output may become one of its outputs. */
function addBorder(scope: Recipe, origin: Origin, found: Map<string, Fit>): void {
  if (origin.side === "out") {
    found.set(`in:${OUTPUTS}.+`, "one");
    for (const name of Object.keys(scope.outputs ?? {})) found.set(`in:${OUTPUTS}.${name}`, "one");
  } else {
    found.set(`out:${INPUTS}.+`, "one");
    for (const name of Object.keys(scope.inputs ?? {})) found.set(`out:${INPUTS}.${name}`, "one");
  }
}

/** A node and everything it is computed from ("up"), or everything computed from it ("down"): no circles. */
export function reach(scope: Recipe, start: string, direction: "up" | "down"): Set<string> {
  const next = new Map<string, string[]>();
  for (const [id, node] of Object.entries(scope.nodes)) {
    for (const link of Object.values(node.links ?? {}).flat()) {
      const source = link.slice(0, link.indexOf("."));
      const [from, to] = direction === "up" ? [id, source] : [source, id];
      const list = next.get(from);
      if (list) list.push(to);
      else next.set(from, [to]);
    }
  }
  const seen = new Set<string>();
  const todo = [start];
  while (todo.length) {
    const id = todo.pop() as string;
    if (seen.has(id)) continue;
    seen.add(id);
    todo.push(...(next.get(id) ?? []));
  }
  return seen;
}

/** Why a drop on a port is refused, in words. */
export function reason(
  origin: Origin,
  target: Omit<Origin, "type">,
  recipe: Recipe,
  at: readonly string[],
  known: Known,
): string {
  if (origin.side === target.side) {
    return origin.side === "out"
      ? "An output goes into an input, not into another output."
      : "An input is fed by an output, not by another input.";
  }
  if (origin.node === target.node) return "A node cannot feed itself.";
  const scope = definitionAt(recipe, at) ?? recipe;
  const [from, to] = origin.side === "out" ? [origin, target] : [target, origin];
  if (reach(scope, from.node, "up").has(to.node))
    return `That would be a circle: ${from.node} is computed from ${to.node}.`;
  const given = origin.side === "out" ? origin.type : typeAt(recipe, at, target, known);
  const wanted = origin.side === "in" ? origin.type : typeAt(recipe, at, target, known);
  return `${endText(from)} gives ${given}; ${endText(to)} takes ${wanted}.`;
}
