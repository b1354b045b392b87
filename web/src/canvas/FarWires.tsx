/**
 * Wires from afar: one drawing of all, where React Flow has a drawing and two listeners for each. They are chosen, bent
 * and asked for their menu as near ones are; selected ones stay React Flow's.
 */

import { ViewportPortal } from "@xyflow/react";
import { type MouseEvent, memo, type ReactElement, useMemo, useRef } from "react";
import { useCatalogue } from "../api/catalogue";
import type { Point } from "../model/layout";
import type { FlowEdge, FlowNode } from "./flow";
import { colour, typeInfo } from "./types";
import { useUi } from "./ui";
import { wirePath } from "./WireView";

export interface WireHands {
  readonly onEdgeClick: (event: MouseEvent, edge: FlowEdge) => void;
  readonly onEdgeDoubleClick: (event: MouseEvent, edge: FlowEdge) => void;
  readonly onEdgeContextMenu: (event: MouseEvent, edge: FlowEdge) => void;
}

interface Drawn {
  readonly source: FlowNode;
  readonly target: FlowNode;
  readonly basis: unknown;
  readonly into: boolean;
  readonly element: ReactElement;
}

interface Props {
  readonly nodes: readonly FlowNode[];
  readonly edges: readonly FlowEdge[];
  readonly hands: WireHands;
}

export const FarWires = memo(function FarWires({ nodes, edges, hands }: Props) {
  const types = useCatalogue((catalogue) => catalogue.types);
  const into = useUi((ui) => ui.into);
  const drawn = useRef(new WeakMap<FlowEdge, Drawn>());
  const byId = useMemo(() => new Map(edges.map((edge) => [edge.id, edge])), [edges]);
  const places = useMemo(() => new Map(nodes.map((node) => [node.id, node])), [nodes]);
  const to = (hand: (event: MouseEvent, edge: FlowEdge) => void) => (event: MouseEvent) => {
    const edge = byId.get((event.target as SVGElement).dataset.reach ?? "");
    if (edge) hand(event, edge);
  };
  const draw = (edge: FlowEdge): ReactElement | null => {
    const [source, target] = [places.get(edge.source), places.get(edge.target)];
    if (!source || !target) return null;
    const before = drawn.current.get(edge);
    const here = into === edge.id;
    if (before?.source === source && before.target === target && before.basis === types && before.into === here)
      return before.element;
    const info = typeInfo(types, edge.data?.type ?? "any");
    const path = wirePath(end(source, edge.sourceHandle), end(target, edge.targetHandle), edge.data?.points ?? []);
    const element = (
      // biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: a group of shapes, as React Flow's wires are
      <g key={edge.id} className="react-flow__edge" role="img" aria-label={edge.ariaLabel}>
        <path className="nf-wire-reach" d={path} data-reach={edge.id} />
        <path
          className="nf-wire"
          d={path}
          data-wire={edge.id}
          data-quiet={edge.data?.quiet || undefined}
          data-into={here || undefined}
          data-list={info.shape === "ring" || undefined}
          style={{ "--c": colour(info.colour) } as React.CSSProperties}
        />
      </g>
    );
    drawn.current.set(edge, { source, target, basis: types, into: here, element });
    return element;
  };
  return (
    <ViewportPortal>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: by keyboard, wires are gone to from their nodes */}
      <svg
        className="react-flow__edges nf-far-wires"
        role="presentation"
        onClick={to(hands.onEdgeClick)}
        onDoubleClick={to(hands.onEdgeDoubleClick)}
        onContextMenu={to(hands.onEdgeContextMenu)}
      >
        {edges.map(draw)}
      </svg>
    </ViewportPortal>
  );
});

/** Where a wire ends at a node: the outer side of the port, as React Flow has it. */
function end(node: FlowNode, handle: string | null | undefined): Point {
  const port = node.handles?.find((one) => one.id === handle);
  const { x, y } = node.position;
  if (port === undefined) return [x, y];
  const { width = 0, height = 0 } = port;
  return [x + port.x + (port.type === "source" ? width : 0), y + port.y + height / 2];
}
