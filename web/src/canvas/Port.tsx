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

export const Port = memo(function Port({ node, side, name, type, y, linked = true, required, doc, far }: Props) {
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
      {!far && <PortGlyph shape={info.shape} filled={linked || side === "out"} />}
    </Handle>
  );
});
