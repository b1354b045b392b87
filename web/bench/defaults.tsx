/**
 * What the canvas is measured against (`benchmarks/canvas.py`): React Flow as one gets it, with no option set, drawing
 * the same thousand nodes with plain fields. `?fit` shows all of them.
 */

import { type Edge, Handle, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import { createRoot } from "react-dom/client";
import "@xyflow/react/dist/style.css";

const PORTS = ["a", "b", "separator"];
const COLUMNS = 40;
const COUNT = 1000;

function Plain({ id }: NodeProps) {
  return (
    <div style={{ width: 240, border: "1px solid #888", background: "#fff", font: "13px sans-serif" }}>
      <header style={{ padding: 6, background: "#eee" }}>{id}</header>
      {PORTS.map((port) => (
        <label key={port} style={{ display: "flex", gap: 6, padding: 6, position: "relative" }}>
          <Handle type="target" position={Position.Left} id={port} />
          {port}
          <input className="nodrag" defaultValue="x" style={{ flex: 1, minWidth: 0 }} />
        </label>
      ))}
      <div style={{ padding: 6, position: "relative", textAlign: "right" }}>
        text
        <Handle type="source" position={Position.Right} id="text" />
      </div>
    </div>
  );
}

const nodeTypes = { plain: Plain };
const numbers = Array.from({ length: COUNT }, (_, place) => place);

const nodes: Node[] = numbers.map((place) => ({
  id: `n${place}`,
  type: "plain",
  position: { x: (place % COLUMNS) * 340, y: Math.floor(place / COLUMNS) * 260 },
  data: {},
}));

const edge = (from: number, to: number, port: string): Edge => ({
  id: `${from}-${to}`,
  source: `n${from}`,
  sourceHandle: "text",
  target: `n${to}`,
  targetHandle: port,
});
const edges: Edge[] = numbers.flatMap((place) => [
  ...(place % COLUMNS ? [edge(place - 1, place, "a")] : []),
  ...(place >= COLUMNS && place % 2 ? [edge(place - COLUMNS, place, "b")] : []),
]);

const root = document.getElementById("root");
if (root) {
  const fit = new URLSearchParams(location.search).has("fit");
  createRoot(root).render(
    <ReactFlow defaultNodes={nodes} defaultEdges={edges} nodeTypes={nodeTypes} minZoom={0.02} fitView={fit} />,
  );
}
