/**
 * From the recipe to React Flow's arrays. Every object is kept as long as nothing that it shows has changed, so one edit
 * makes one new node, and what is selected or where things lie never makes a node's view draw again.
 */

import type { Catalogue } from "../api/catalogue";
import type { Items } from "../api/results";
import { reroutes } from "../model/bends";
import { sameValue } from "../model/json";
import { entryOf, type Group, groups, notes, type Point } from "../model/layout";
import { definitionPorts, outputType } from "../model/ports";
import { endOf, endText, own, type Recipe, wires } from "../model/recipe";
import { resultShape } from "../model/results";
import { definitionAt } from "../model/scope";
import { snap, tidy } from "../model/tidy";
import {
  borderEdge,
  type Flow,
  type FlowEdge,
  type FlowNode,
  ghostNode,
  groupNode,
  INPUTS,
  interfaceNode,
  NO_POINTS,
  noteNode,
  type OpData,
  OUTPUTS,
  opNode,
  rerouteNode,
  wireEdge,
} from "./flowParts";

import { declarations, opData } from "./opData";

export * from "./flowParts";

type Known = Pick<Catalogue, "nodeTypes">;
type Types = (link: string) => string;

/** What is derived for one view of one tab; kept between edits. */
export class FlowCache {
  private nodes = new Map<string, FlowNode>();
  private edges = new Map<string, FlowEdge>();
  private edgeList: FlowEdge[] = [];
  private bendList: FlowNode[] = [];
  private data = new Map<string, OpData>();
  private places = new Map<string, Point>();
  private placesOf = "";
  private types = new Map<string, string>();
  private basis: readonly unknown[] = [];

  /** The arrays for a scope. `selection` and `lines`: what is selected of each; `made`: what nodes' last runs made. */
  derive(
    tab: string,
    recipe: Recipe,
    at: readonly string[],
    known: Known,
    selection: ReadonlySet<string>,
    lines: ReadonlySet<string>,
    made?: (id: string) => Items | undefined,
  ): Flow {
    const scope = definitionAt(recipe, at) ?? recipe;
    const frames = groups(scope);
    const folded = foldedNodes(scope, frames);
    const found = new Map<string, FlowNode>();
    const list: FlowNode[] = [];
    const keep = (node: FlowNode) => {
      const before = this.nodes.get(node.id);
      const kept = before !== undefined && sameNode(before, node) ? before : node;
      found.set(node.id, kept);
      list.push(kept);
    };
    frames.forEach((group, index) => {
      if (group) keep(groupNode(tab, group, index, selection));
    });
    const { data, same } = this.allData(tab, recipe, at, scope, known);
    this.place(scope, data);
    for (const [id, shown] of data) {
      const place = entryOf(scope, id).at ?? (this.places.get(id) as Point);
      const before = this.nodes.get(id);
      const frame = folded.get(id);
      if (frame) keep(ghostNode(id, frame, shown));
      else {
        const below = resultHeight(shown, made?.(id));
        if (isSame(before, shown, place, selection.has(id), below)) {
          found.set(id, before as FlowNode);
          list.push(before as FlowNode);
        } else keep(opNode(id, shown, place, selection.has(id), below));
      }
    }
    for (const note of notes(scope)) keep(noteNode(tab, note, selection));
    const basis = [
      scope.nodes,
      recipe.definitions,
      scope.inputs,
      scope.outputs,
      scope.layout?.reroutes,
      scope.layout?.groups,
      known.nodeTypes,
      lines,
      selection,
    ];
    const still = same && basis.every((item, i) => item === this.basis[i]);
    if (!still) this.wire(tab, recipe, at, scope, known, data, folded, selection, lines);
    for (const bend of this.bendList) keep(bend);
    if (at.length) this.addInterface(tab, recipe, at, known, list, keep);
    this.basis = basis;
    this.nodes = found;
    this.data = data;
    return { nodes: list, edges: this.edgeList };
  }

  /** What each node's view draws; `same`: all of it is as before. */
  private allData(tab: string, recipe: Recipe, at: readonly string[], scope: Recipe, known: Known) {
    const declared = declarations(scope);
    const data = new Map<string, OpData>();
    let same = true;
    for (const [id, node] of Object.entries(scope.nodes)) {
      const before = this.data.get(id);
      const now = opData(tab, recipe, at, scope, id, node, declared, known, before);
      if (now !== before) same = false;
      data.set(id, now);
    }
    return { data, same: same && data.size === this.data.size };
  }

  /** Wires and their bends, anew. */
  private wire(
    tab: string,
    recipe: Recipe,
    at: readonly string[],
    scope: Recipe,
    known: Known,
    data: ReadonlyMap<string, OpData>,
    folded: ReadonlyMap<string, Group>,
    selection: ReadonlySet<string>,
    lines: ReadonlySet<string>,
  ): void {
    const stale = [scope.nodes, recipe.definitions, scope.inputs, scope.outputs].some(
      (item, i) => item !== this.basis[i],
    );
    if (stale || this.basis[6] !== known.nodeTypes) this.types = new Map();
    const typeOf: Types = (link) => {
      let type = this.types.get(link);
      if (type === undefined) {
        type = outputType(recipe, at, endOf(link), known);
        this.types.set(link, type);
      }
      return type;
    };
    const bends = new Map(reroutes(scope).map((bend) => [`${bend.from}→${bend.to}`, bend.at]));
    const edges = new Map<string, FlowEdge>();
    const keep = (edge: FlowEdge) => {
      const before = this.edges.get(edge.id);
      edges.set(edge.id, before !== undefined && sameEdge(before, edge) ? before : edge);
    };
    this.bendList = [];
    for (const wire of wires(scope)) {
      const [source, target] = [data.get(wire.from.node), data.get(wire.to.node)];
      if (!hasSpot(source, "out", wire.from.port) || !hasSpot(target, "in", wire.to.port)) continue;
      const [from, to] = [endText(wire.from), endText(wire.to)];
      const points = bends.get(`${from}→${to}`) ?? NO_POINTS;
      const type = typeOf(from);
      const quiet = source?.node.mode === "muted" || target?.node.mode === "muted";
      keep(wireEdge(wire, type, points, quiet, lines));
      if (folded.has(wire.from.node) && folded.has(wire.to.node)) continue;
      points.forEach((point, index) => {
        this.bendList.push(rerouteNode(tab, from, to, index, point, type, selection));
      });
    }
    if (at.length) borderEdges(recipe, at, scope, known, data, typeOf).forEach(keep);
    this.edges = edges;
    this.edgeList = [...edges.values()];
  }

  /** Nodes that the document gives no place get one: tidied, below what is there. */
  private place(scope: Recipe, data: ReadonlyMap<string, OpData>): void {
    const lost = [...data].filter(([id]) => entryOf(scope, id).at === undefined);
    const mark = lost.map(([id]) => id).join(" ");
    if (mark === this.placesOf) return;
    this.placesOf = mark;
    const ids = new Set(lost.map(([id]) => id));
    const boxes = lost.map(([id, { shape }]) => ({
      id,
      at: [0, 0] as const,
      size: [shape.width, shape.height] as const,
    }));
    const arrows = wires(scope).map((wire) => ({ from: wire.from.node, to: wire.to.node }));
    const inside = arrows.filter((arrow) => ids.has(arrow.from) && ids.has(arrow.to));
    const below = [...data].flatMap(([id, { shape }]) => {
      const at = entryOf(scope, id).at;
      return at ? [at[1] + shape.height] : [];
    });
    const top = below.length ? snap(Math.max(...below) + 80) : 0;
    this.places = new Map([...tidy(boxes, inside)].map(([id, [x, y]]) => [id, [x, y + top]]));
  }

  /** The ends of a subgraph, left and right of what is in it. */
  private addInterface(
    tab: string,
    recipe: Recipe,
    at: readonly string[],
    known: Known,
    list: readonly FlowNode[],
    keep: (node: FlowNode) => void,
  ): void {
    const ports = definitionPorts(recipe, at.slice(0, -1), at.at(-1) ?? "", known, 0);
    const ops = list.filter((node) => node.type === "op");
    const left = ops.length ? Math.min(...ops.map((node) => node.position.x)) : 0;
    const top = ops.length ? Math.min(...ops.map((node) => node.position.y)) : 0;
    const right = ops.length ? Math.max(...ops.map((node) => node.position.x + (node.width ?? 0))) : 0;
    keep(interfaceNode(tab, INPUTS, "inputs", ports?.inputs ?? [], [left - 300, top]));
    keep(interfaceNode(tab, OUTPUTS, "outputs", ports?.outputs ?? [], [right + 100, top]));
  }
}

/** The wires from and to the ends of a subgraph. */
function borderEdges(
  recipe: Recipe,
  at: readonly string[],
  scope: Recipe,
  known: Known,
  data: ReadonlyMap<string, OpData>,
  typeOf: Types,
): FlowEdge[] {
  const ports = definitionPorts(recipe, at.slice(0, -1), at.at(-1) ?? "", known, 0);
  const found: FlowEdge[] = [];
  for (const [name, input] of Object.entries(scope.inputs ?? {})) {
    const type = ports?.inputs.find((port) => port.name === name)?.type ?? "any";
    for (const link of input.to) {
      const to = endOf(link);
      if (hasSpot(data.get(to.node), "in", to.port)) found.push(borderEdge(INPUTS, name, to.node, to.port, type));
    }
  }
  for (const [name, link] of Object.entries(scope.outputs ?? {})) {
    const from = endOf(link);
    if (hasSpot(data.get(from.node), "out", from.port))
      found.push(borderEdge(from.node, from.port, OUTPUTS, name, typeOf(link)));
  }
  return found;
}

const resultHeight = ({ entry, shape }: OpData, items: Items | undefined): number =>
  items === undefined || entry.collapsed ? 0 : resultShape(items, shape.width, entry.hide_result).height;

const isSame = (before: FlowNode | undefined, data: OpData, [x, y]: Point, selected: boolean, below: number): boolean =>
  before?.type === "op" &&
  before.data === data &&
  before.height === data.shape.height + below &&
  before.selected === selected &&
  before.position.x === x &&
  before.position.y === y;

const hasSpot = (data: OpData | undefined, side: "in" | "out", name: string) =>
  data?.shape.spots.some((spot) => spot.side === side && spot.name === name) ?? false;

function sameNode(a: FlowNode, b: FlowNode): boolean {
  return (
    a.type === b.type &&
    a.selected === b.selected &&
    a.position.x === b.position.x &&
    a.position.y === b.position.y &&
    a.width === b.width &&
    a.height === b.height &&
    (a.data === b.data || (a.type !== "op" && sameValue(a.data, b.data)))
  );
}

function sameEdge(a: FlowEdge, b: FlowEdge): boolean {
  return a.selected === b.selected && a.source === b.source && a.target === b.target && sameValue(a.data, b.data);
}

/** Nodes that a collapsed frame hides. */
function foldedNodes(scope: Recipe, frames: readonly (Group | undefined)[]): Map<string, Group> {
  const found = new Map<string, Group>();
  for (const frame of frames) {
    if (!frame?.collapsed) continue;
    for (const id of frame.nodes) if (own(scope.nodes, id)) found.set(id, frame);
  }
  return found;
}
