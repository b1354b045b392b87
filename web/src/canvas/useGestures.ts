/** What the pointer and the keys do on the canvas, as edits: one gesture, one step. */

import {
  type Connection,
  type EdgeChange,
  type NodeChange,
  type OnConnectStartParams,
  useReactFlow,
} from "@xyflow/react";
import { type KeyboardEvent, type MouseEvent, type PointerEvent, type RefObject, useMemo, useRef } from "react";
import { isTyping } from "../commands/keys";
import { editView, useTabs } from "../commands/store";
import { reroutes, withReroute } from "../model/bends";
import type { Point } from "../model/layout";
import { disconnect } from "../model/links";
import { endOf, endText, wires } from "../model/recipe";
import { enter } from "./actions/subgraphs";
import { drawnNodes } from "./boxes";
import { duplicate } from "./clipboard";
import { useConnecting } from "./connecting";
import { type FlowEdge, type FlowNode, wireId } from "./flow";
import { insertedIn, wireUnder } from "./insert";
import { type Carried, carriedBy, moved, withBend, withCarried } from "./moving";
import { scopeOf } from "./selection";
import { currentView, type MenuRequest, setUi, useUi } from "./ui";
import { begin, connected, dropped, end, rewired } from "./wiring";

const NOTHING: Carried = { from: new Map(), by: new Map() };
const isPane = (target: EventTarget | null) =>
  target instanceof Element && target.classList.contains("react-flow__pane");

export function useGestures(tab: string, place: string, root: RefObject<HTMLDivElement | null>) {
  const flow = useReactFlow<FlowNode, FlowEdge>();
  /** Whether the pointer was pressed in the field that had the focus already. */
  const writing = useRef(false);
  const drag = useRef<{ carried: Carried; copies: ReadonlyMap<string, string> } | null>(null);
  return useMemo(() => {
    const { hold, release, select, look } = useTabs.getState();
    const at = (event: { clientX: number; clientY: number }): Point => {
      const { x, y } = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }, { snapToGrid: false });
      return [x, y];
    };
    const here = () => useTabs.getState().tabs.find((t) => t.id === tab);

    // --- moving --------------------------------------------------------------------------------------------------------
    const move = (changes: NodeChange<FlowNode>[]) => {
      const moves = new Map<string, Point>();
      for (const change of changes) {
        if (change.type === "position" && change.position) moves.set(change.id, [change.position.x, change.position.y]);
      }
      const scope = scopeOf(tab)?.scope;
      if (moves.size === 0 || scope === undefined) return;
      const frames = [...moves.keys()].filter((id) => id.startsWith("group:"));
      const now = drag.current;
      const carried =
        now?.carried ?? (frames.length ? carriedBy(frames, new Set(moves.keys()), drawnNodes(tab), scope) : NOTHING);
      const all = withCarried(moves, carried);
      const copied = now?.copies.size
        ? new Map(
            [...all].flatMap(([id, to]) => (now.copies.has(id) ? [[now.copies.get(id) as string, to] as const] : [])),
          )
        : all;
      editView(tab, moves.size === 1 ? "Move" : `Move ${moves.size}`, (s) => moved(s, copied), { key: "move" });
    };
    const selected = (changes: NodeChange<FlowNode>[]) => {
      const before = here()?.selection;
      const next = new Set(before);
      for (const change of changes) {
        if (change.type !== "select") continue;
        if (change.selected) next.add(change.id);
        else next.delete(change.id);
      }
      if (drag.current?.copies.size) return;
      select(tab, next, here()?.selectedWires ?? []);
    };
    const startDrag = (event: { altKey: boolean }, _node: unknown, nodes: FlowNode[]) => {
      hold(tab, nodes.length === 1 ? "Move" : `Move ${nodes.length}`);
      const scope = scopeOf(tab)?.scope;
      const ids = new Set(nodes.map((node) => node.id));
      if (event.altKey) select(tab, ids);
      const copies = event.altKey ? duplicate(true) : new Map<string, string>();
      const frames = nodes.filter((node) => node.type === "frame").map((node) => node.id);
      drag.current = { carried: scope ? carriedBy(frames, ids, drawnNodes(tab), scope) : NOTHING, copies };
    };
    const under = (node: FlowNode): string => {
      if (node.type !== "op" || !root.current || drag.current?.copies.size) return "";
      const { x: left, y: top } = flow.flowToScreenPosition(node.position);
      const zoom = flow.getZoom();
      const box = { left, top, right: left + (node.width ?? 0) * zoom, bottom: top + (node.height ?? 0) * zoom };
      return wireUnder(tab, node.id, box, root.current);
    };
    const overWire = (_event: unknown, node: FlowNode, nodes: FlowNode[]) => {
      const into = nodes.length === 1 ? under(node) : "";
      if (into !== useUi.getState().into) setUi({ into });
    };
    const stopDrag = (_event: unknown, node: FlowNode, nodes: FlowNode[]) => {
      const into = nodes.length === 1 ? under(node) : "";
      const insert = into ? insertedIn(tab, node.id, into) : undefined;
      if (useUi.getState().into) setUi({ into: "" });
      if (insert) editView(tab, "Insert into a wire", insert);
      drag.current = null;
      release(tab);
    };

    // --- wires ---------------------------------------------------------------------------------------------------------
    const start = (_event: unknown, { nodeId, handleId }: OnConnectStartParams) => begin(tab, nodeId, handleId);
    const wireOf = (id: string) => wires(scopeOf(tab)?.scope ?? { nodes: {} }).find((wire) => wireId(wire) === id);
    const finish = (event: globalThis.MouseEvent | TouchEvent, state: Parameters<typeof dropped>[1]) => {
      const spot = "changedTouches" in event ? event.changedTouches[0] : event;
      const { origin } = useConnecting.getState();
      const target = spot ? document.elementFromPoint(spot.clientX, spot.clientY) : null;
      const add = dropped(tab, state, target);
      if (add && spot && origin && !origin.node.startsWith("interface:")) {
        setUi({ palette: { at: at(spot), screen: [spot.clientX, spot.clientY], origin } });
      }
      end();
    };
    let remade = false;

    // --- menus ---------------------------------------------------------------------------------------------------------
    const menu = (
      event: { clientX: number; clientY: number; preventDefault(): void },
      kind: MenuRequest["kind"],
      id: string,
      port?: MenuRequest["port"],
    ) => {
      event.preventDefault();
      const tabNow = here();
      if (kind !== "pane" && kind !== "wire" && tabNow && !tabNow.selection.has(id)) select(tab, [id]);
      setUi({ menu: { kind, id, port, screen: [event.clientX, event.clientY], at: at(event) } });
    };
    /** On a widget the menu is about its input too; in a text that one writes, the browser's own menu (paste, spelling). */
    const nodeMenu = (event: MouseEvent, node: FlowNode) => {
      const target = event.target as Element;
      if (isTyping(target) && (writing.current || event.button !== 2)) return;
      const name = target.closest<HTMLElement>(".nf-row")?.dataset.input;
      menu(event, kindOf(node), node.id, name === undefined ? undefined : { side: "in", name });
    };
    const kindOf = (node: FlowNode): MenuRequest["kind"] =>
      node.type === "frame"
        ? "group"
        : node.type === "note"
          ? "note"
          : node.type === "interface"
            ? "interface"
            : "node";

    return {
      flow: {
        onNodesChange: (changes: NodeChange<FlowNode>[]) => {
          move(changes);
          if (changes.some((change) => change.type === "select")) selected(changes);
        },
        onEdgesChange: (changes: EdgeChange<FlowEdge>[]) => {
          const next = new Set(here()?.selectedWires);
          for (const change of changes) {
            if (change.type !== "select") continue;
            if (change.selected && !change.id.startsWith("border:")) next.add(change.id);
            else next.delete(change.id);
          }
          select(tab, here()?.selection ?? [], next);
        },
        onNodeClick: (event: MouseEvent, node: FlowNode) => {
          if (!event.shiftKey && !event.ctrlKey && !event.metaKey && (here()?.selection.size ?? 0) > 1)
            select(tab, [node.id]);
        },
        onNodeDragStart: startDrag,
        onNodeDrag: overWire,
        onNodeDragStop: stopDrag,
        onSelectionDragStart: (event: MouseEvent, nodes: FlowNode[]) => startDrag(event, null, nodes),
        onSelectionDragStop: (event: MouseEvent, nodes: FlowNode[]) => nodes[0] && stopDrag(event, nodes[0], nodes),
        onConnectStart: start,
        onConnect: (connection: Connection) => connected(tab, connection),
        onConnectEnd: finish,
        onClickConnectStart: start,
        onClickConnectEnd: end,
        onReconnectStart: (_event: unknown, edge: FlowEdge, type: "source" | "target") => {
          remade = false;
          if (type === "source") begin(tab, edge.source, edge.sourceHandle ?? null);
          else begin(tab, edge.target, edge.targetHandle ?? null);
        },
        onReconnect: (edge: FlowEdge, connection: Connection) => {
          remade = true;
          const wire = wireOf(edge.id);
          if (wire) rewired(tab, wire, connection);
        },
        onReconnectEnd: (_event: unknown, edge: FlowEdge) => {
          const wire = wireOf(edge.id);
          if (!remade && wire) editView(tab, "Take a wire off", (s) => disconnect(s, [wire]));
          end();
        },
        onNodeContextMenu: nodeMenu,
        onSelectionContextMenu: (event: MouseEvent, nodes: FlowNode[]) => menu(event, "node", nodes[0]?.id ?? ""),
        onEdgeContextMenu: (event: MouseEvent, edge: FlowEdge) => menu(event, "wire", edge.id),
        onPaneContextMenu: (event: MouseEvent | globalThis.MouseEvent) => menu(event, "pane", ""),
        onEdgeDoubleClick: (event: MouseEvent, edge: FlowEdge) => {
          const wire = wireOf(edge.id);
          const nodes = [flow.getNode(edge.source), flow.getNode(edge.target)];
          if (!wire || !nodes[0] || !nodes[1]) return;
          const ends: [Point, Point] = [
            [nodes[0].position.x + (nodes[0].width ?? 0), nodes[0].position.y],
            [nodes[1].position.x, nodes[1].position.y],
          ];
          editView(tab, "Bend a wire", (s) => {
            const before =
              reroutes(s).find((b) => b.from === endText(wire.from) && b.to === endText(wire.to))?.at ?? [];
            return withReroute(s, wire.from, wire.to, withBend(before, ends, at(event)));
          });
        },
        onNodeDoubleClick: (event: MouseEvent, node: FlowNode) => {
          if (node.type === "op" && (event.target as Element).closest(".nf-head") && !isTyping(event.target)) {
            if (!enter(tab, node.id)) setUi({ renaming: node.id });
          } else if (node.type === "reroute") {
            const bend = node.data as { from: string; to: string; index: number };
            editView(tab, "Straighten a wire", (s) => {
              const points = reroutes(s).find((b) => b.from === bend.from && b.to === bend.to)?.at ?? [];
              return withReroute(
                s,
                endOf(bend.from),
                endOf(bend.to),
                points.filter((_, i) => i !== bend.index),
              );
            });
          }
        },
        onPaneClick: () => root.current?.focus({ preventScroll: true }),
        onMoveEnd: (_event: unknown, viewport: { x: number; y: number; zoom: number }) => {
          const viewports = here()?.viewports ?? {};
          look(tab, { viewports: { ...viewports, [place]: viewport } });
        },
      },
      root: {
        onPointerDownCapture: (event: PointerEvent) => {
          writing.current = isTyping(event.target) && event.target === document.activeElement;
        },
        onDoubleClick: (event: MouseEvent) => {
          if (isPane(event.target)) setUi({ palette: { at: at(event), screen: [event.clientX, event.clientY] } });
        },
        onKeyDown: (event: KeyboardEvent) => keyDown(event, tab, root.current),
        onKeyDownCapture: (event: KeyboardEvent) => enterEdits(event, tab),
      },
    };
  }, [tab, place, root, flow]);
}

/** Enter on a selected node goes to its first widget. */
function enterEdits(event: KeyboardEvent, tab: string): void {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (!target.classList.contains("react-flow__node")) return;
  const id = target.dataset.id ?? "";
  if (
    !useTabs
      .getState()
      .tabs.find((t) => t.id === tab)
      ?.selection.has(id)
  )
    return;
  event.preventDefault();
  event.stopPropagation();
  if (id.startsWith("note:") || id.startsWith("group:")) setUi({ renaming: id });
  else target.querySelector<HTMLElement>(".nf-row textarea, .nf-row input:not([type=file]), .nf-row button")?.focus();
}

const ARROWS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]);

function keyDown(event: KeyboardEvent, tab: string, root: HTMLElement | null): void {
  const target = event.target as HTMLElement;
  if (event.key === "Escape" && target !== root) {
    const node = target.closest<HTMLElement>(".react-flow__node");
    if (node && node !== target) {
      node.focus({ preventScroll: true });
      event.preventDefault();
      event.stopPropagation();
    }
    return;
  }
  if (target !== root || root === null || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Tab" && !event.shiftKey) {
    event.preventDefault();
    const spot = currentView()?.spot();
    if (spot) setUi({ palette: spot });
  } else if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (ARROWS.has(event.key) || event.key === "Enter") {
    const chosen = useTabs.getState().tabs.find((t) => t.id === tab)?.selection;
    const nodes = [...root.querySelectorAll<HTMLElement>(".react-flow__node[tabindex]")];
    const next =
      nodes.find((node) => chosen?.has(node.dataset.id ?? "")) ??
      nodes.find((node) => node.classList.contains("react-flow__node-op"));
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}
