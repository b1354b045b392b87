/** Places of problems: paths into the document, such as `definitions.hires.nodes.sampler.values.steps`. */

import type { Catalogue } from "../api/catalogue";
import { portsOf } from "../model/ports";
import { own, type Recipe } from "../model/recipe";
import { definitionAt, findDefinition, type Path } from "../model/scope";

export interface Spot {
  /** The definitions around it, from the outside in. */
  at: readonly string[];
  node: string;
  /** The input that it is about. */
  port: string;
  /** The nodes through which one gets there; without it the definition is opened by itself. */
  path?: Path;
}

const INSIDE = new Set(["values", "links", "inputs"]);
const OF_NODE = new Set(["op", "title", "mode", "each", "product"]);

/** Where a place is; null if it is about the whole. */
export function spotOf(place: string): Spot | null {
  const parts = place.split(".");
  const at: string[] = [];
  while (parts[0] === "definitions" && parts.length >= 2) {
    at.push(parts[1] as string);
    parts.splice(0, 2);
  }
  if (parts[0] === "nodes" && parts[1]) {
    const part = parts[2] ?? "";
    const port = INSIDE.has(part) ? (parts[3] ?? "") : OF_NODE.has(part) ? "" : part; // a missing input has no part
    return { at, node: parts[1], port: port.replace(/\[\d+\]$/, "") };
  }
  return at.length > 0 ? { at, node: "", port: "" } : null;
}

/** In words: "sampler › steps". */
export function placeText(place: string): string {
  const spot = spotOf(place);
  if (spot === null) return place;
  return [...spot.at, spot.node, spot.port].filter(Boolean).join(" › ");
}

/**
 * Where a node of a run is: `sub/inner` is `inner` in the sub-workflow of `sub`. The input is the first that `message`
 * names. Of a node that is not there any more, what is around it.
 */
export function runSpot(recipe: Recipe, known: Pick<Catalogue, "nodeTypes">, name: string, message = ""): Spot {
  const around = name.split("/");
  const last = around.pop() ?? "";
  const path: Path[number][] = [];
  let at: readonly string[] = [];
  for (const node of around) {
    const found = own(definitionAt(recipe, at)?.nodes, node);
    const inner = found && portsOf(recipe, at, node, found, known).definition;
    const where = inner === undefined ? undefined : findDefinition(recipe, at, inner);
    if (where === undefined) return { at, node, port: "", path };
    path.push({ at: where, node });
    at = where;
  }
  const node = own(definitionAt(recipe, at)?.nodes, last);
  const inputs = node ? portsOf(recipe, at, last, node, known).inputs.map((port) => port.name) : [];
  const said = (input: string) => message.search(new RegExp(`\\b${input.replace(/\W/g, "\\$&")}\\b`));
  const [port = ""] = inputs.filter((input) => said(input) >= 0).sort((a, b) => said(a) - said(b));
  return { at, node: last, port, path };
}
