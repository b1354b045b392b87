/**
 * How large a node is and where its ports are, worked out from the recipe alone. The view draws to these numbers, so
 * that wires can be drawn to nodes that are not mounted, and nothing moves when a node is drawn from afar.
 */

import type { InputPort, OutputPort } from "../api/types";
import type { Entry } from "./layout";
import type { Ports } from "./ports";
import { own, type RecipeNode } from "./recipe";

export const HEADER = 36;
export const PORT = 24;
export const WIDGET = 32;
export const PAD = 8;
export const WIDTH = 248;
export const MIN_WIDTH = 180;
export const TEXT_HEIGHT = 76;
const TEXT_LABEL = 24;
const PICTURE = 120;

export type RowKind = "ports" | "widget" | "text" | "picture";

export interface Row {
  readonly key: string;
  readonly kind: RowKind;
  readonly top: number;
  readonly height: number;
  readonly input?: InputPort;
  readonly output?: OutputPort;
}

/** Where a port is: its middle, from the top of the node. */
export interface Spot {
  readonly side: "in" | "out";
  readonly name: string;
  readonly y: number;
}

export interface Shape {
  readonly width: number;
  readonly height: number;
  readonly rows: readonly Row[];
  readonly spots: readonly Spot[];
  /** How many ports are hidden because nothing uses them. */
  readonly hidden: number;
}

const PICTURES = [".png", ".jpg", ".jpeg", ".webp"];
export const isPicture = (port: InputPort): boolean => port.suffixes.some((suffix) => PICTURES.includes(suffix));

/** What a port's row looks like. */
function rowOf(port: InputPort, node: RecipeNode, entry: Entry): { kind: RowKind; height: number } {
  if (own(node.links, port.name) !== undefined || Array.isArray(own(node.values, port.name))) {
    return { kind: "widget", height: WIDGET };
  }
  if (port.widget === "multiline") {
    const height = own(entry.heights, port.name);
    return { kind: "text", height: TEXT_LABEL + (typeof height === "number" ? height : TEXT_HEIGHT) + PAD };
  }
  const value = own(node.values, port.name);
  if (isPicture(port) && typeof value === "string" && value !== "")
    return { kind: "picture", height: WIDGET + PICTURE };
  return { kind: "widget", height: WIDGET };
}

/** `used`: outputs that something is linked to; `fed`: inputs that a declared input feeds. */
export function shapeOf(
  ports: Ports,
  node: RecipeNode,
  entry: Entry,
  used: ReadonlySet<string>,
  fed: ReadonlySet<string>,
): Shape {
  const width = Math.max(MIN_WIDTH, entry.size?.[0] ?? WIDTH);
  if (entry.collapsed) return collapsed(ports, width);
  const keep = (port: InputPort) =>
    !entry.hide_unused ||
    own(node.links, port.name) !== undefined ||
    own(node.values, port.name) !== undefined ||
    fed.has(port.name);
  const inputs = ports.inputs.filter(keep);
  const outputs = entry.hide_unused ? ports.outputs.filter((port) => used.has(port.name)) : ports.outputs;
  const linked = inputs.filter((port) => port.link_only);
  const valued = inputs.filter((port) => !port.link_only);
  const rows: Row[] = [];
  const spots: Spot[] = [];
  let top = HEADER + PAD;
  for (let i = 0; i < Math.max(linked.length, outputs.length); i++) {
    const [input, output] = [linked[i], outputs[i]];
    rows.push({ key: `ports:${i}`, kind: "ports", top, height: PORT, input, output });
    if (input) spots.push({ side: "in", name: input.name, y: top + PORT / 2 });
    if (output) spots.push({ side: "out", name: output.name, y: top + PORT / 2 });
    top += PORT;
  }
  if (rows.length && valued.length) top += PAD / 2;
  for (const input of valued) {
    const { kind, height } = rowOf(input, node, entry);
    rows.push({ key: `in:${input.name}`, kind, top, height, input });
    spots.push({ side: "in", name: input.name, y: top + (kind === "text" ? TEXT_LABEL / 2 : (WIDGET - 4) / 2) });
    top += height;
  }
  const hidden = ports.inputs.length - inputs.length + ports.outputs.length - outputs.length;
  return { width, height: top + (rows.length ? PAD - (valued.length ? 4 : 0) : 0), rows, spots, hidden };
}

/** Title only; wires go to its sides. */
function collapsed(ports: Ports, width: number): Shape {
  const spots = [
    ...ports.inputs.map((port): Spot => ({ side: "in", name: port.name, y: HEADER / 2 })),
    ...ports.outputs.map((port): Spot => ({ side: "out", name: port.name, y: HEADER / 2 })),
  ];
  return { width, height: HEADER, rows: [], spots, hidden: 0 };
}
