/** The minimap: drag and zoom in it. Running and failed nodes are lit, by their own entries of the live store. */

import { MiniMap, type MiniMapNodeProps } from "@xyflow/react";
import { memo } from "react";
import { useLive } from "../api/live";
import { useTabs } from "../commands/store";
import { eventPrefix } from "../model/scope";

const MiniNode = memo(function MiniNode({ id, x, y, width, height, selected, className }: MiniMapNodeProps) {
  const tab = useTabs((state) => state.active);
  const prefix = useTabs((state) => eventPrefix(state.tabs.find((t) => t.id === tab)?.path ?? []));
  const state = useLive((live) => live.node(live.followed[tab], prefix + id)?.state);
  const kind = className || "op";
  return (
    <rect
      className="nf-mini"
      data-kind={kind}
      data-state={state}
      data-selected={selected || undefined}
      x={x}
      y={y}
      width={width}
      height={height}
      rx={6}
    />
  );
});

export function Minimap() {
  return (
    <MiniMap
      pannable
      zoomable
      ariaLabel="Minimap"
      className="nf-minimap"
      nodeComponent={MiniNode}
      nodeClassName={(node) => node.type ?? "op"}
      maskColor="var(--minimap-mask)"
      maskStrokeColor="var(--line-strong)"
      maskStrokeWidth={1}
      offsetScale={8}
    />
  );
}
