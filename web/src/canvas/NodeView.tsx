/**
 * A node: title, ports, widgets. Drawn again only when what it shows has changed; where it lies and how far its run is
 * are not part of that. From afar it is its title on its colour, with the ports where they are.
 */

import { type NodeProps, NodeResizeControl } from "@xyflow/react";
import { memo } from "react";
import { useLive } from "../api/live";
import type { ProblemItem } from "../api/types";
import { spotOf } from "../app/place";
import { useProblems } from "../app/problems";
import { editView, placeOf, tabOf, useTabs } from "../commands/store";
import { run } from "../commands/table";
import { renameNode, setTitle } from "../model/edits";
import { withEntry } from "../model/layout";
import { MIN_WIDTH, type Row, type Shape, type Spot } from "../model/shape";
import type { OpData, OpNode } from "./flow";
import { Field } from "./NodeField";
import { NodeResult } from "./NodeResult";
import { NodeFoot, NodeProgress } from "./NodeStatus";
import { FarPort, Port } from "./Port";
import { Rename } from "./Rename";
import { colour, withColour } from "./types";
import { useUi } from "./ui";
import { useViewOf } from "./view";

export interface NodeProblem {
  readonly message: string;
  readonly severity: "error" | "warning";
  readonly port: string;
}

const NO_PROBLEMS: readonly NodeProblem[] = [];
const byPlace = new WeakMap<object, Map<string, NodeProblem[]>>();

/** Problems by the place and id of their node; worked out once for each answer of the server. */
function problemsByNode(all: readonly ProblemItem[]): Map<string, NodeProblem[]> {
  let found = byPlace.get(all);
  if (found === undefined) {
    found = new Map();
    for (const { place, message, severity } of all) {
      const spot = spotOf(place);
      if (!spot?.node) continue;
      const key = [...spot.at, spot.node].join("/");
      const list = found.get(key);
      const problem = { message, severity, port: spot.port };
      if (list) list.push(problem);
      else found.set(key, [problem]);
    }
    byPlace.set(all, found);
  }
  return found;
}

/** What is wrong with a node of the scope that is looked at. */
function useNodeProblems(tab: string, place: string, id: string): readonly NodeProblem[] {
  return problemsByNode(useProblems(tab)).get(place ? `${place}/${id}` : id) ?? NO_PROBLEMS;
}

export const NodeView = memo(
  function NodeView({ data, selected }: NodeProps<OpNode>) {
    const { tab, id, node, ports, entry, shape } = data;
    const { far, place, prefix } = useViewOf();
    const name = prefix + id;
    const state = useStateOf(tab, name);
    const problems = useNodeProblems(tab, place, id);
    const worst = problems.find((p) => p.severity === "error") ?? problems[0];
    const category = ports.type?.category.split("/")[0] ?? (ports.definition ? "subgraph" : "");
    return (
      <div
        className="nf-node"
        data-node-id={id}
        data-state={state}
        data-mode={node.mode}
        data-selected={selected || undefined}
        data-unknown={ports.unknown || undefined}
        data-collapsed={entry.collapsed || undefined}
        data-far={far || undefined}
        data-problem={worst?.severity}
        data-category={category}
        data-definition={ports.definition}
        style={entry.colour ? withColour(entry.colour) : undefined}
      >
        {far && shape.spots.map((spot) => <FarPort key={`${spot.side}:${spot.name}`} {...spot} />)}
        <Header data={data} far={far} name={name} count={problems.length} worst={worst} />
        {!far && shape.rows.map((row) => <RowView key={row.key} row={row} data={data} problems={problems} />)}
        {!far && ports.unknown && <p className="nf-unknown">not installed</p>}
        {!far && shape.spots.map((spot) => <NodePort key={`${spot.side}:${spot.name}`} data={data} spot={spot} />)}
        {selected && !far && <WidthGrip tab={tab} id={id} height={shape.height} />}
        {!far && <NodeResult data={data} name={name} />}
        {!far && <NodeFoot tab={tab} name={name} />}
      </div>
    );
  },
  (a, b) => a.data === b.data && a.selected === b.selected,
);

function NodePort({ data, spot: { side, name, y } }: { data: OpData; spot: Spot }) {
  const { id, node, ports, fed } = data;
  const port = (side === "in" ? ports.inputs : ports.outputs).find((p) => p.name === name);
  return (
    <Port
      node={id}
      side={side}
      name={name}
      type={port?.type ?? "any"}
      y={y}
      doc={port?.doc}
      required={port !== undefined && "required" in port && port.required === true}
      linked={side === "out" || Object.hasOwn(node.links ?? {}, name) || name in fed}
    />
  );
}

/** The right side of a selected node: drag it to make the node wider. One step. */
function WidthGrip({ tab, id, height }: { tab: string; id: string; height: number }) {
  const { hold, release } = useTabs.getState();
  return (
    <NodeResizeControl
      position="right"
      className="nf-grip nf-wide nodrag"
      minWidth={MIN_WIDTH}
      maxWidth={900}
      minHeight={height}
      maxHeight={height}
      onResizeStart={() => hold(tab, "Resize")}
      onResize={(_event, { width }) => {
        editView(tab, "Resize", (scope) => withEntry(scope, id, { size: [width, height] }));
      }}
      onResizeEnd={() => release(tab)}
    />
  );
}

function useStateOf(tab: string, name: string): string | undefined {
  return useLive((live) => live.node(live.followed[tab], name)?.state);
}

/** Whether a title, in the large letters that it has from afar, needs more room than its node has. */
function isLong(title: string, named: boolean, { width, height }: Shape): boolean {
  const lines = Math.ceil(title.length / ((width - 24) / 15));
  return lines * 29 + (named ? 0 : 22) > height;
}

interface HeaderProps {
  data: OpData;
  far: boolean;
  name: string;
  count: number;
  worst: NodeProblem | undefined;
}

function Header({ data, far, name, count, worst }: HeaderProps) {
  const { tab, id, node, ports } = data;
  const renaming = useUi((ui) => ui.renaming === id);
  const title = node.title || ports.title;
  const named = title.toLowerCase().replace(/[^a-z0-9]+/g, "_") === id.replace(/_\d+$/, "");
  const help = [ports.type?.summary, `${node.op}`, ports.type?.deprecated && `Deprecated: ${ports.type.deprecated}`];
  return (
    <div
      className="nf-head"
      title={far ? undefined : help.filter(Boolean).join("\n")}
      data-long={(far && isLong(title, named, data.shape)) || undefined}
    >
      {node.mode === "muted" && <ModeGlyph mode="muted" />}
      {node.mode === "bypassed" && <ModeGlyph mode="bypassed" />}
      {ports.definition !== undefined ? (
        <span className="nf-sub" aria-hidden="true" />
      ) : (
        !node.mode &&
        !far && <span className="nf-dot" data-category={ports.type?.category.split("/")[0]} aria-hidden="true" />
      )}
      {renaming ? (
        <Rename
          label="Id of the node, or a title after a blank"
          value={node.title ? `${id} ${node.title}` : id}
          onDone={(text) => {
            const [next = id, ...words] = text.trim().split(/\s+/);
            editView(tab, "Rename", (scope) => setTitle(renameNode(scope, id, next), next, words.join(" ")));
          }}
        />
      ) : (
        <span className="nf-title">
          {title}
          {!named && <span className="nf-id">{id}</span>}
        </span>
      )}
      {node.each?.length || node.product?.length ? (
        <span className="nf-tag">{node.each?.length ? "each" : "product"}</span>
      ) : null}
      {worst && <Badge tab={tab} id={id} far={far} count={count} worst={worst} />}
      {!far && <NodeProgress tab={tab} name={name} />}
    </div>
  );
}

/** How many problems there are, and the worst in words. Near enough it leads to the widget that it is about. */
function Badge({ tab, id, far, count, worst }: Pick<OpData, "tab" | "id"> & BadgeProps) {
  const label = `${count === 1 ? "Problem" : `${count} problems`}: ${worst.message}`;
  const look = { className: "nf-badge nodrag", "data-severity": worst.severity, title: worst.message };
  if (far) {
    return (
      <span {...look} role="img" aria-label={label}>
        {count}
      </span>
    );
  }
  const go = () => {
    const found = tabOf(tab);
    if (found) run("view.reveal", { tab, at: placeOf(found), node: id, port: worst.port });
  };
  return (
    <button type="button" {...look} aria-label={label} onClick={go}>
      {count}
    </button>
  );
}

interface BadgeProps {
  far: boolean;
  count: number;
  worst: NodeProblem;
}

/** Distinct by shape as well as by colour: a struck circle does not run, an arrow passes through. */
function ModeGlyph({ mode }: { mode: "muted" | "bypassed" }) {
  return (
    <svg className="nf-mode" viewBox="0 0 14 14" width="14" height="14" role="img" aria-label={mode}>
      {mode === "muted" ? (
        <path d="M7 1.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11ZM3.2 3.2l7.6 7.6" />
      ) : (
        <path d="M1 9.5h2.5C6 9.5 5 3.5 7.5 3.5S9 9.5 11 9.5h1.5M10.3 7.2l2.5 2.3-2.5 2.3" />
      )}
    </svg>
  );
}

type Problems = readonly NodeProblem[];

function RowView({ row, data, problems }: { row: Row; data: OpData; problems: Problems }) {
  const style = { top: row.top, height: row.height };
  if (row.kind === "ports") {
    return (
      <div className="nf-row" style={style}>
        {row.input && <PortName data={data} port={row.input} />}
        {row.output && (
          <span className="nf-out" title={row.output.doc}>
            {row.output.name in data.shown && (
              <b
                className="nf-shown"
                title={`Declared output “${data.shown[row.output.name]}”`}
                style={{ color: colour("green") }}
              >
                ◂
              </b>
            )}
            {row.output.name.replace(/_/g, " ")}
          </span>
        )}
      </div>
    );
  }
  if (row.input === undefined) return null;
  const problem = problems.find((p) => p.port === row.input?.name)?.message;
  return (
    <div className="nf-row" data-kind={row.kind} data-input={row.input.name} style={style}>
      <Field data={data} port={row.input} problem={problem} />
    </div>
  );
}

function PortName({ data, port }: { data: OpData; port: { name: string; required: boolean; doc: string } }) {
  const linked = Object.hasOwn(data.node.links ?? {}, port.name) || port.name in data.fed;
  const mapped = data.node.each?.includes(port.name) || data.node.product?.includes(port.name);
  return (
    <span className="nf-in" data-missing={(port.required && !linked) || undefined} title={port.doc}>
      {port.name.replace(/_/g, " ")}
      {mapped && <span className="nf-tag">each</span>}
      {port.name in data.fed && <span className="nf-fed" title={`Declared input “${data.fed[port.name]}”`} />}
    </span>
  );
}
