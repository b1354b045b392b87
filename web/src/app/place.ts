/** Places of problems: paths into the document, such as `definitions.hires.nodes.sampler.values.steps`. */

export interface Spot {
  /** The definitions around it, from the outside in. */
  at: readonly string[];
  node: string;
  /** The input that it is about. */
  port: string;
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
