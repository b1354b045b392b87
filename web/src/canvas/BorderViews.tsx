/** Bends of wires, the ends of a subgraph, and what a collapsed frame hides. */

import { Handle, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import { editView } from "../commands/store";
import { renameDeclared } from "../model/links";
import { HEADER, PORT } from "../model/shape";
import { type GhostNode, INPUTS, type InterfaceNode, OUTPUTS, type RerouteNode } from "./flow";
import { Port } from "./Port";
import { Rename } from "./Rename";
import { colour, useType } from "./types";
import { setUi, useUi } from "./ui";

export const RerouteView = memo(function RerouteView({ data, selected }: NodeProps<RerouteNode>) {
  const info = useType(data.type);
  return (
    <div
      className="nf-reroute"
      data-selected={selected || undefined}
      style={{ "--c": colour(info.colour) } as React.CSSProperties}
    />
  );
});

export const InterfaceView = memo(
  function InterfaceView({ data }: NodeProps<InterfaceNode>) {
    const { tab, side, ports } = data;
    const id = side === "inputs" ? INPUTS : OUTPUTS;
    const renaming = useUi((ui) => ui.renaming);
    const port = side === "inputs" ? "out" : "in";
    return (
      <div className="nf-border" data-side={side} data-node-id={id}>
        <div className="nf-head">
          <span className="nf-title">{side === "inputs" ? "Inputs" : "Outputs"}</span>
        </div>
        {[...ports, { name: "+", type: "any" }].map(({ name }, i) => {
          const top = HEADER + 8 + i * PORT;
          return (
            <div key={name} className="nf-row" style={{ top, height: PORT }}>
              <span className={port === "out" ? "nf-out" : "nf-in"}>
                {renaming === `${id}.${name}` ? (
                  <Rename
                    label="Name of the port"
                    value={name}
                    onDone={(to) => editView(tab, "Rename a port", (scope) => renameDeclared(scope, side, name, to))}
                  />
                ) : name === "+" ? (
                  <i>drag a wire here</i>
                ) : (
                  // biome-ignore lint/a11y/noStaticElementInteractions: the port's menu renames, too
                  <span
                    onDoubleClick={(event) => {
                      event.stopPropagation();
                      setUi({ renaming: `${id}.${name}` });
                    }}
                  >
                    {name.replace(/_/g, " ")}
                  </span>
                )}
              </span>
            </div>
          );
        })}
        {[...ports, { name: "+", type: "any" }].map(({ name, type }, i) => (
          <Port
            key={name}
            node={id}
            side={port}
            name={name}
            type={type}
            y={HEADER + 8 + i * PORT + PORT / 2}
            linked={name !== "+"}
          />
        ))}
      </div>
    );
  },
  (a, b) => a.data === b.data,
);

/** Not to be seen: only its ports are there, so that its wires are drawn to the frame. */
export const GhostView = memo(function GhostView({ data }: NodeProps<GhostNode>) {
  return data.shape.spots.map((spot) => (
    <Handle
      key={`${spot.side}:${spot.name}`}
      type={spot.side === "in" ? "target" : "source"}
      position={spot.side === "in" ? Position.Left : Position.Right}
      id={`${spot.side}:${spot.name}`}
      className="nf-port nf-gone"
      isConnectable={false}
      style={{ top: HEADER / 2 }}
    />
  ));
});
