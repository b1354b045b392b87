/**
 * The minimap: drag and zoom in it. Nodes that look the same are one path, so that a move of one of a thousand draws
 * little; running and failed nodes are lit.
 */

import { Panel, useReactFlow, useStore } from "@xyflow/react";
import { memo, type PointerEvent, useEffect, useMemo, useRef } from "react";
import { useLive } from "../api/live";
import type { FlowNode } from "./flow";
import { useViewOf } from "./view";

const [WIDTH, HEIGHT, MARGIN] = [200, 132, 8];

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const texts = new WeakMap<FlowNode, string>();

/** A node as a rectangle of a path. */
function textOf(node: FlowNode): string {
  let text = texts.get(node);
  if (text === undefined) {
    const { position, width = 0, height = 0 } = node;
    text = `M${position.x},${position.y}h${width}v${height}h${-width}z`;
    texts.set(node, text);
  }
  return text;
}

function boundsOf(nodes: readonly FlowNode[]): Box {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { position, width = 0, height = 0 } of nodes) {
    box.left = Math.min(box.left, position.x);
    box.top = Math.min(box.top, position.y);
    box.right = Math.max(box.right, position.x + width);
    box.bottom = Math.max(box.bottom, position.y + height);
  }
  return box;
}

interface Look {
  readonly kind: string;
  readonly state: string | undefined;
  readonly selected: boolean;
}

const Marks = memo(function Marks({ tab, nodes }: { tab: string; nodes: readonly FlowNode[] }) {
  const { prefix } = useViewOf();
  useLive((live) => live.version);
  const { followed, nodes: of } = useLive.getState();
  const states = of(followed[tab]);
  const looks = new Map<string, Look & { parts: string[] }>();
  for (const node of nodes) {
    const state = node.type === "op" ? states.get(prefix + node.id)?.state : undefined;
    const key = `${node.type} ${state} ${node.selected}`;
    const look = looks.get(key);
    if (look) look.parts.push(textOf(node));
    else looks.set(key, { kind: node.type, state, selected: node.selected === true, parts: [textOf(node)] });
  }
  return [...looks].map(([key, { kind, state, selected, parts }]) => (
    <path
      key={key}
      className="nf-mini"
      data-kind={kind}
      data-state={state}
      data-selected={selected || undefined}
      d={parts.join("")}
    />
  ));
});

export function Minimap({ tab, nodes }: { tab: string; nodes: readonly FlowNode[] }) {
  const flow = useReactFlow();
  const root = useRef<SVGSVGElement>(null);
  const held = useRef<{ pointer: number; x: number; y: number } | null>(null);
  const [x, y, zoom] = useStore((state) => state.transform);
  const view = {
    left: -x / zoom,
    top: -y / zoom,
    width: useStore((state) => state.width) / zoom,
    height: useStore((state) => state.height) / zoom,
  };
  const bounds = useMemo(() => boundsOf(nodes), [nodes]);
  const left = Math.min(bounds.left, view.left);
  const top = Math.min(bounds.top, view.top);
  const wide = Math.max(bounds.right, view.left + view.width) - left;
  const high = Math.max(bounds.bottom, view.top + view.height) - top;
  /** Units of the graph for a pixel of the map. */
  const scale = Math.max(wide / (WIDTH - 2 * MARGIN), high / (HEIGHT - 2 * MARGIN));
  const [width, height] = [WIDTH * scale, HEIGHT * scale];
  const [fromX, fromY] = [left - (width - wide) / 2, top - (height - high) / 2];

  useEffect(() => {
    const element = root.current;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      event.stopPropagation();
      const step = event.deltaMode === 1 ? 0.05 : event.deltaMode ? 1 : 0.002;
      void flow.zoomTo(flow.getZoom() * 2 ** (-event.deltaY * step));
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  }, [flow]);
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    held.current = { pointer: event.pointerId, x: event.clientX, y: event.clientY };
  };
  const move = (event: PointerEvent) => {
    const from = held.current;
    if (from?.pointer !== event.pointerId) return;
    const now = flow.getViewport();
    const by = scale * now.zoom;
    void flow.setViewport({
      ...now,
      x: now.x - (event.clientX - from.x) * by,
      y: now.y - (event.clientY - from.y) * by,
    });
    held.current = { pointer: event.pointerId, x: event.clientX, y: event.clientY };
  };
  const up = () => {
    held.current = null;
  };
  return (
    <Panel position="bottom-right" className="react-flow__minimap nf-minimap">
      <svg
        ref={root}
        className="react-flow__minimap-svg"
        width={WIDTH}
        height={HEIGHT}
        viewBox={`${fromX} ${fromY} ${width} ${height}`}
        role="img"
        aria-label="Minimap"
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
      >
        <Marks tab={tab} nodes={nodes} />
        <path
          className="nf-mini-mask"
          fillRule="evenodd"
          d={`M${fromX},${fromY}h${width}v${height}h${-width}zM${view.left},${view.top}h${view.width}v${view.height}h${-view.width}z`}
        />
      </svg>
    </Panel>
  );
}
