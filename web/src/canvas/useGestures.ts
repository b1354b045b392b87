/** What the pointer and the keys do on the canvas, as edits: one gesture, one step. */

import {
  type Connection,
  type EdgeChange,
  type NodeChange,
  type OnConnectStartParams,
  useReactFlow,
} from "@xyflow/react";
import {
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  type RefObject,
  useEffect,
  useMemo,
  useRef,
} from "react";
import { isTyping } from "../commands/keys";
import { editView, useTabs } from "../commands/store";
import { reroutes, withReroute } from "../model/bends";
import type { Point } from "../model/layout";
import { disconnect } from "../model/links";
import { endOf, endText, wires } from "../model/recipe";
import { enter } from "./actions/subgraphs";
import { useConnecting } from "./connecting";
import { dragging } from "./dragging";
import { type FlowEdge, type FlowNode, wireId } from "./flow";
import { type Moves, withBend } from "./moving";
import { scopeOf } from "./selection";
import { currentView, type MenuRequest, setUi } from "./ui";
import { FAR } from "./view";
import { begin, connected, dropped, end, rewired } from "./wiring";

const isPane = (target: EventTarget | null) =>
  target instanceof Element && target.classList.contains("react-flow__pane");

/** `show`: draw what is dragged at its places so far. */
export function useGestures(
  tab: string,
  place: string,
  root: RefObject<HTMLDivElement | null>,
  show: (moves: Moves) => void,
) {
  const flow = useReactFlow<FlowNode, FlowEdge>();
  /** Whether the pointer was pressed in the field that had the focus already. */
  const writing = useRef(false);
  const gestures = useMemo(() => {
    const { select, look } = useTabs.getState();
    const at = (event: { clientX: number; clientY: number }): Point => {
      const { x, y } = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }, { snapToGrid: false });
      return [x, y];
    };
    const here = () => useTabs.getState().tabs.find((t) => t.id === tab);

    const drag = dragging(tab, place, root, flow, show);
    const selected = (changes: NodeChange<FlowNode>[]) => {
      const before = here()?.selection;
      const next = new Set(before);
      for (const change of changes) {
        if (change.type !== "select") continue;
        if (change.selected) next.add(change.id);
        else next.delete(change.id);
      }
      if (drag.copies()) return;
      select(tab, next, here()?.selectedWires ?? []);
    };

    // --- wires ---------------------------------------------------------------------------------------------------------
    const start = (_event: unknown, { nodeId, handleId }: OnConnectStartParams) => begin(tab, nodeId, handleId);
    const wireOf = (id: string) => wires(scopeOf(tab)?.scope ?? { nodes: {} }).find((wire) => wireId(wire) === id);
    const finish = (event: globalThis.MouseEvent | TouchEvent, state: Parameters<typeof dropped>[1]) => {
      const spot = "changedTouches" in event ? event.changedTouches[0] : event;
      const { origin } = useConnecting.getState();
      const target = spot ? document.elementFromPoint(spot.clientX, spot.clientY) : null;
      const add = dropped(tab, state, target);
      if (add && spot && origin) {
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

    const onEdgeContextMenu = (event: MouseEvent, edge: FlowEdge) => menu(event, "wire", edge.id);
    const onEdgeDoubleClick = (event: MouseEvent, edge: FlowEdge) => {
      const wire = wireOf(edge.id);
      const nodes = [flow.getNode(edge.source), flow.getNode(edge.target)];
      if (!wire || !nodes[0] || !nodes[1]) return;
      const ends: [Point, Point] = [
        [nodes[0].position.x + (nodes[0].width ?? 0), nodes[0].position.y],
        [nodes[1].position.x, nodes[1].position.y],
      ];
      editView(tab, "Bend a wire", (s) => {
        const before = reroutes(s).find((b) => b.from === endText(wire.from) && b.to === endText(wire.to))?.at ?? [];
        return withReroute(s, wire.from, wire.to, withBend(before, ends, at(event)));
      });
    };

    return {
      endDrag: drag.end,
      wires: {
        onEdgeClick: (event: MouseEvent, edge: FlowEdge) => {
          const more = event.shiftKey || event.ctrlKey || event.metaKey;
          const before = more ? here() : undefined;
          const border = edge.id.startsWith("border:");
          select(tab, before?.selection ?? [], [...(before?.selectedWires ?? []), ...(border ? [] : [edge.id])]);
        },
        onEdgeDoubleClick,
        onEdgeContextMenu,
      },
      flow: {
        onNodesChange: (changes: NodeChange<FlowNode>[]) => {
          drag.move(changes);
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
        /** From afar React Flow knows selected wires only: a box takes those of its nodes, as it does near. */
        onSelectionEnd: () => {
          const now = scopeOf(tab);
          if (now === undefined || flow.getZoom() >= FAR) return;
          const { selection } = now.tab;
          const lines = wires(now.scope).filter((wire) => selection.has(wire.from.node) || selection.has(wire.to.node));
          select(tab, selection, lines.map(wireId));
        },
        onNodeClick: (event: MouseEvent, node: FlowNode) => {
          if (!event.shiftKey && !event.ctrlKey && !event.metaKey && (here()?.selection.size ?? 0) > 1)
            select(tab, [node.id]);
        },
        onNodeDragStart: drag.start,
        onNodeDrag: drag.over,
        onNodeDragStop: drag.stop,
        onSelectionDragStart: (event: MouseEvent, nodes: FlowNode[]) => drag.start(event, null, nodes),
        onSelectionDragStop: (event: MouseEvent, nodes: FlowNode[]) => nodes[0] && drag.stop(event, nodes[0], nodes),
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
        onEdgeContextMenu,
        onPaneContextMenu: (event: MouseEvent | globalThis.MouseEvent) => menu(event, "pane", ""),
        onEdgeDoubleClick,
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
  }, [tab, place, root, flow, show]);
  useEffect(() => gestures.endDrag, [gestures]);
  return gestures;
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
