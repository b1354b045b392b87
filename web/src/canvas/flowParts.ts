/** React Flow's nodes and edges, one at a time: what each looks like from outside (place, size, ports, label). */

import type { Edge, Node, NodeHandle } from "@xyflow/react";
import { Position } from "@xyflow/react";
import type { Entry, Group, Note, Point } from "../model/layout";
import type { Ports } from "../model/ports";
import { endText, type RecipeNode, type Wire } from "../model/recipe";
import { HEADER, PORT, type Shape } from "../model/shape";

export const INPUTS = "interface:inputs";
export const OUTPUTS = "interface:outputs";
const HANDLE = 12;

export interface OpData extends Record<string, unknown> {
  tab: string;
  id: string;
  node: RecipeNode;
  ports: Ports;
  entry: Entry;
  shape: Shape;
  /** By port, the declared input that feeds it. */
  fed: Readonly<Record<string, string>>;
  /** By output port, the declared outputs that it is. */
  shown: Readonly<Record<string, string>>;
}
export interface GroupData extends Record<string, unknown> {
  tab: string;
  index: number;
  group: Group;
}
export interface NoteData extends Record<string, unknown> {
  tab: string;
  note: Note;
}
export interface RerouteData extends Record<string, unknown> {
  tab: string;
  from: string;
  to: string;
  index: number;
  type: string;
}
export interface InterfaceData extends Record<string, unknown> {
  tab: string;
  side: "inputs" | "outputs";
  ports: readonly { name: string; type: string }[];
}

export type OpNode = Node<OpData, "op">;
export type GroupNode = Node<GroupData, "frame">;
export type NoteNode = Node<NoteData, "note">;
export type RerouteNode = Node<RerouteData, "reroute">;
export type InterfaceNode = Node<InterfaceData, "interface">;
export interface GhostData extends Record<string, unknown> {
  shape: Shape;
}
export type GhostNode = Node<GhostData, "ghost">;
export type FlowNode = OpNode | GroupNode | NoteNode | RerouteNode | InterfaceNode | GhostNode;

export interface WireData extends Record<string, unknown> {
  type: string;
  points: readonly Point[];
  quiet: boolean;
  list: boolean;
}
export type FlowEdge = Edge<WireData, "wire">;

export interface Flow {
  readonly nodes: FlowNode[];
  readonly edges: FlowEdge[];
}

export const wireId = (wire: Wire): string => `${endText(wire.from)}→${endText(wire.to)}#${wire.index}`;
export const rerouteId = (from: string, to: string, index: number): string => `reroute:${from}→${to}#${index}`;

export const NO_POINTS: readonly Point[] = [];

function box(width: number, height: number) {
  return { width, height, initialWidth: width, initialHeight: height, measured: { width, height } };
}

/**
 * A node at a place. Nodes are moved by `left` and `top`, not by React Flow's transform: a thousand transforms are a
 * thousand coordinate systems, which the browser goes through for every frame.
 */
export function placed<T extends FlowNode>(node: T, [x, y]: Point): T {
  return { ...node, position: { x, y }, style: { ...node.style, left: x, top: y, transform: "none" } };
}

function handle(id: string, side: "in" | "out", x: number, y: number): NodeHandle {
  return {
    id,
    type: side === "in" ? "target" : "source",
    position: side === "in" ? Position.Left : Position.Right,
    x: x - HANDLE / 2,
    y: y - HANDLE / 2,
    width: HANDLE,
    height: HANDLE,
  };
}

/** How a node is read out. */
export function labelOf(id: string, data: Pick<OpData, "node" | "ports">): string {
  const mode = data.node.mode === "muted" ? ", muted" : data.node.mode === "bypassed" ? ", bypassed" : "";
  const title = data.node.title || data.ports.title;
  return `${title}, ${id}${data.ports.unknown ? ", not installed" : ""}${mode}`;
}

/** `below`: the height of what is shown of its last run, under its rows. */
export function opNode(id: string, data: OpData, [x, y]: Point, selected: boolean, below = 0): OpNode {
  const { shape } = data;
  const node: OpNode = {
    id,
    type: "op",
    position: { x, y },
    data,
    selected,
    ...box(shape.width, shape.height + below),
    handles: shape.spots.map((spot) =>
      handle(`${spot.side}:${spot.name}`, spot.side, spot.side === "in" ? 0 : shape.width, spot.y),
    ),
    zIndex: selected ? 10 : 0,
    ariaLabel: labelOf(id, data),
    ariaRole: "group",
  };
  return placed(node, [x, y]);
}

/** A node in a collapsed frame: not drawn; its wires go to the frame. */
export function ghostNode(id: string, frame: Group, data: OpData): GhostNode {
  const [width] = frame.size;
  return {
    id,
    type: "ghost",
    position: { x: frame.at[0], y: frame.at[1] },
    data: { shape: data.shape },
    ...box(width, HEADER),
    handles: data.shape.spots.map((spot) =>
      handle(`${spot.side}:${spot.name}`, spot.side, spot.side === "in" ? 0 : width, HEADER / 2),
    ),
    selectable: false,
    draggable: false,
    focusable: false,
    zIndex: -20,
    domAttributes: { "aria-hidden": true } as never,
  };
}

/** Only the title takes the pointer: inside a frame one selects and adds as elsewhere. */
const FRAME_STYLE = { pointerEvents: "none" } as const;

export function groupNode(tab: string, group: Group, index: number, selection: ReadonlySet<string>): GroupNode {
  const [width, height] = group.collapsed ? [group.size[0], HEADER] : group.size;
  const id = `group:${index}`;
  return {
    id,
    type: "frame",
    position: { x: group.at[0], y: group.at[1] },
    data: { tab, index, group },
    selected: selection.has(id),
    ...box(width, height),
    zIndex: group.collapsed ? 0 : -10,
    style: FRAME_STYLE,
    dragHandle: ".nf-frame-title",
    ariaLabel: `Frame ${group.title || "without a title"}${group.collapsed ? ", collapsed" : ""}`,
    ariaRole: "group",
  };
}

export function noteNode(tab: string, note: Note, selection: ReadonlySet<string>): NoteNode {
  const id = `note:${note.key}`;
  return {
    id,
    type: "note",
    position: { x: note.at[0], y: note.at[1] },
    data: { tab, note },
    selected: selection.has(id),
    ...box(note.size[0], note.size[1]),
    ariaLabel: `Note: ${note.text.slice(0, 80)}`,
    ariaRole: "group",
  };
}

export function rerouteNode(
  tab: string,
  from: string,
  to: string,
  index: number,
  [x, y]: Point,
  type: string,
  selection: ReadonlySet<string>,
): RerouteNode {
  const id = rerouteId(from, to, index);
  return {
    id,
    type: "reroute",
    position: { x: x - 8, y: y - 8 },
    data: { tab, from, to, index, type },
    selected: selection.has(id),
    ...box(16, 16),
    zIndex: 5,
    ariaLabel: `Bend of the wire from ${from} to ${to}`,
    ariaRole: "group",
  };
}

export function interfaceNode(
  tab: string,
  id: string,
  side: "inputs" | "outputs",
  ports: readonly { name: string; type: string }[],
  [x, y]: Point,
): InterfaceNode {
  const rows = ports.map(({ name, type }) => ({ name, type }));
  const width = 180;
  return {
    id,
    type: "interface",
    position: { x, y },
    data: { tab, side, ports: rows },
    ...box(width, HEADER + 8 + (rows.length + 1) * PORT + 8),
    handles: [...rows.map((port) => port.name), "+"].map((name, i) => {
      const middle = HEADER + 8 + i * PORT + PORT / 2;
      return side === "inputs" ? handle(`out:${name}`, "out", width, middle) : handle(`in:${name}`, "in", 0, middle);
    }),
    draggable: false,
    selectable: false,
    deletable: false,
    ariaLabel: side === "inputs" ? "Inputs of this subgraph" : "Outputs of this subgraph",
    ariaRole: "group",
  };
}

export function wireEdge(
  wire: Wire,
  type: string,
  points: readonly Point[],
  quiet: boolean,
  lines: ReadonlySet<string>,
): FlowEdge {
  const id = wireId(wire);
  return {
    id,
    type: "wire",
    source: wire.from.node,
    sourceHandle: `out:${wire.from.port}`,
    target: wire.to.node,
    targetHandle: `in:${wire.to.port}`,
    selected: lines.has(id),
    data: { type, points, quiet, list: wire.many },
    ariaLabel: `Wire from ${endText(wire.from)} to ${endText(wire.to)}, ${type}`,
  };
}

export function borderEdge(source: string, output: string, target: string, input: string, type: string): FlowEdge {
  return {
    id: `border:${source}.${output}→${target}.${input}`,
    type: "wire",
    source,
    sourceHandle: `out:${output}`,
    target,
    targetHandle: `in:${input}`,
    data: { type, points: NO_POINTS, quiet: false, list: false },
    reconnectable: false,
    ariaLabel: `Wire from ${source}.${output} to ${target}.${input}`,
  };
}
