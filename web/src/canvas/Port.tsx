/** A port: React Flow's handle with a mark for the type, a name for screen readers, and its state while wiring. */

import { Handle, Position } from "@xyflow/react";
import { memo } from "react";
import { portState, useConnecting } from "./connecting";
import { colour, PortGlyph, useType } from "./types";
import { setUi } from "./ui";

interface Props {
  node: string;
  side: "in" | "out";
  name: string;
  type: string;
  y: number;
  linked?: boolean;
  required?: boolean;
  doc?: string;
  /** Too far away to see more than where it is. */
  far?: boolean;
}

export const Port = memo(function Port(props: Props) {
  return props.far ? <FarPort {...props} /> : <NearPort {...props} />;
});

/**
 * A port from afar: an empty mark at its place, which is all that React Flow measures for wires. A `Handle` listens to
 * every change of the view, and a thousand nodes have thousands of them.
 */
function FarPort({ side, name, y }: Props) {
  const [end, where] = side === "in" ? (["target", "left"] as const) : (["source", "right"] as const);
  return (
    <div
      className={`react-flow__handle react-flow__handle-${where} nf-port ${end}`}
      style={{ top: y }}
      data-handleid={`${side}:${name}`}
      data-handlepos={where}
      data-port={`${side}:${name}`}
      aria-hidden="true"
    />
  );
}

function NearPort({ node, side, name, type, y, linked = true, required, doc }: Props) {
  const info = useType(type);
  const state = useConnecting(portState(`${side}:${node}.${name}`));
  const label = `${name}, ${side === "in" ? "input" : "output"}, ${type}${required && !linked ? ", needed" : ""}`;
  return (
    <Handle
      type={side === "in" ? "target" : "source"}
      position={side === "in" ? Position.Left : Position.Right}
      id={`${side}:${name}`}
      className="nf-port"
      style={{ top: y, "--c": colour(info.colour) } as React.CSSProperties}
      role="button"
      tabIndex={-1}
      aria-label={label}
      title={`${name} · ${type}${doc ? `\n${doc.replace(/`/g, "")}` : ""}`}
      data-port={`${side}:${name}`}
      data-state={state}
      data-linked={linked || undefined}
      onContextMenu={(event) => {
        event.preventDefault();
        event.stopPropagation();
        const screen = [event.clientX, event.clientY] as const;
        setUi({ menu: { kind: "port", id: node, port: { side, name }, screen, at: [0, 0] } });
      }}
    >
      <PortGlyph shape={info.shape} filled={linked || side === "out"} />
    </Handle>
  );
}
