/** A port: React Flow's handle with a mark for the type, a name for screen readers, and its state while wiring. */

import { Handle, Position } from "@xyflow/react";
import { memo } from "react";
import type { Spot } from "../model/shape";
import { portState, useConnecting } from "./connecting";
import { colour, PortGlyph, useType } from "./types";
import { setUi } from "./ui";

const MARK = 12;

interface Props {
  node: string;
  side: "in" | "out";
  name: string;
  type: string;
  y: number;
  linked?: boolean;
  required?: boolean;
  doc?: string;
}

/**
 * A port from afar: an empty mark at its place, which is all that React Flow measures for wires. A `Handle` listens to
 * every change of the view, and what is positioned is painted by itself: a thousand nodes have thousands of them. So it
 * takes no room among its siblings, and its margins put it where it is.
 */
export function FarPort({ side, name, y }: Spot) {
  const port = `${side}:${name}`;
  return (
    <div
      className={`nf-far-port ${side === "in" ? "target" : "source"}`}
      style={{ marginTop: y - MARK / 2, marginBottom: -y - MARK / 2 }}
      data-handleid={port}
      data-handlepos={side === "in" ? "left" : "right"}
      data-port={port}
      aria-hidden="true"
    />
  );
}

export const Port = memo(function Port({ node, side, name, type, y, linked = true, required, doc }: Props) {
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
});
