/** Drawing wires: what React Flow tells of a connection, as edits of the document. */

import type { Connection, FinalConnectionState } from "@xyflow/react";
import { useCatalogue } from "../api/catalogue";
import { announce } from "../commands/announce";
import { editView } from "../commands/store";
import { fresh } from "../model/ids";
import { connect, declareInput, declareOutput, disconnect, removeDeclared, undeclare } from "../model/links";
import type { Fit } from "../model/ports";
import { endOf, endText, type Recipe, type Wire, wires } from "../model/recipe";
import { type Origin, reason, targetsOf, typeAt, useConnecting } from "./connecting";
import { INPUTS, OUTPUTS, wireId } from "./flow";
import { scopeOf } from "./selection";

const portOf = (handle: string | null | undefined): string => (handle ?? "").replace(/^(in|out):/, "");

/** A wire begins at a port: which ports would take it is worked out once, and each port looks itself up. */
export function begin(tab: string, node: string | null, handle: string | null): void {
  const here = scopeOf(tab);
  if (here === undefined || node === null || handle === null) return;
  const side = handle.startsWith("in:") ? "in" : "out";
  const known = useCatalogue.getState();
  const bare = { node, port: portOf(handle), side } as const;
  const border = node === INPUTS || node === OUTPUTS;
  const type = border ? "any" : typeAt(here.tab.recipe, here.at, bare, known);
  const origin: Origin = { ...bare, type };
  useConnecting.setState({ origin, targets: targetsOf(here.tab.recipe, here.at, origin, known) });
}

export function end(): void {
  useConnecting.setState({ origin: null, targets: new Map() });
}

interface Ends {
  source: string;
  target: string;
  sourceHandle?: string | null;
  targetHandle?: string | null;
}

const keyOf = (connection: Ends, side: "in" | "out") =>
  side === "out"
    ? `in:${connection.target}.${portOf(connection.targetHandle)}`
    : `out:${connection.source}.${portOf(connection.sourceHandle)}`;

/** A set lookup: the answer was worked out when the wire began. */
export function isValid(connection: Ends): boolean {
  const { origin, targets } = useConnecting.getState();
  return origin !== null && targets.has(keyOf(connection, origin.side));
}

/** Wire two ports in a scope; the ends of a subgraph become declared inputs and outputs. */
export function wired(scope: Recipe, connection: Connection, fit: Fit): Recipe {
  const from = { node: connection.source, port: portOf(connection.sourceHandle) };
  const to = { node: connection.target, port: portOf(connection.targetHandle) };
  if (from.node === INPUTS) {
    const name = from.port === "+" ? fresh(to.port, (n) => Object.hasOwn(scope.inputs ?? {}, n)) : from.port;
    return declareInput(scope, name, to);
  }
  if (to.node === OUTPUTS) {
    const name = to.port === "+" ? fresh(from.port, (n) => Object.hasOwn(scope.outputs ?? {}, n)) : to.port;
    return declareOutput(scope, name, from);
  }
  return connect(scope, from, to, fit);
}

export function connected(tab: string, connection: Connection): void {
  const { origin, targets } = useConnecting.getState();
  const fit = origin ? (targets.get(keyOf(connection, origin.side)) ?? null) : null;
  const done = editView(tab, "Connect", (scope) => wired(scope, connection, fit));
  const label = `${connection.source}.${portOf(connection.sourceHandle)} to ${connection.target}.${portOf(connection.targetHandle)}`;
  if (done) announce(`Connected ${label}`);
}

/** The other end of a wire goes to another port: one step. */
export function rewired(tab: string, old: Wire, connection: Connection): void {
  const { origin, targets } = useConnecting.getState();
  const fit = origin ? (targets.get(keyOf(connection, origin.side)) ?? null) : null;
  if (
    connection.target === old.to.node &&
    portOf(connection.targetHandle) === old.to.port &&
    connection.source === old.from.node &&
    portOf(connection.sourceHandle) === old.from.port
  )
    return;
  editView(tab, "Move a wire", (scope) => wired(disconnect(scope, [old]), connection, fit));
}

/** A wire was dropped where no port took it. True: on the pane, so something may be added there. */
export function dropped(tab: string, state: FinalConnectionState, target: Element | null): boolean {
  const { origin, targets } = useConnecting.getState();
  const here = scopeOf(tab);
  if (state.isValid || origin === null || here === undefined) return false;
  const known = useCatalogue.getState();
  if (state.toHandle) {
    const to = {
      node: state.toHandle.nodeId,
      port: portOf(state.toHandle.id),
      side: state.toHandle.id?.startsWith("in:") ? "in" : "out",
    } as const;
    if (to.node !== origin.node || to.port !== origin.port)
      announce(reason(origin, to, here.tab.recipe, here.at, known), "refused");
    return false;
  }
  const node = target?.closest<HTMLElement>(".react-flow__node")?.dataset.id;
  if (node === undefined) return target?.closest(".react-flow__pane, .react-flow__edges") !== null;
  if (node === origin.node) return false;
  const side = origin.side === "out" ? "in" : "out";
  const found = [...targets].filter(([key]) => key.startsWith(`${side}:${node}.`));
  const [key, fit] = found.find(([k]) => !isLinked(here.scope, k)) ?? found[0] ?? [];
  if (key === undefined || fit === undefined) {
    announce(`${node} has no ${side === "in" ? "input that takes" : "output that gives"} ${origin.type}.`, "refused");
    return false;
  }
  const port = key.slice(key.indexOf(".") + 1);
  const ends = origin.side === "out" ? [origin, { node, port }] : [{ node, port }, origin];
  const [from, to] = ends as [{ node: string; port: string }, { node: string; port: string }];
  const connection = {
    source: from.node,
    sourceHandle: `out:${from.port}`,
    target: to.node,
    targetHandle: `in:${to.port}`,
  };
  if (editView(tab, "Connect", (scope) => wired(scope, connection, fit)))
    announce(`Connected ${endText(from)} to ${endText(to)}`);
  return false;
}

function isLinked(scope: Recipe, key: string): boolean {
  const text = key.slice(key.indexOf(":") + 1);
  const dot = text.indexOf(".");
  return Object.hasOwn(scope.nodes[text.slice(0, dot)]?.links ?? {}, text.slice(dot + 1));
}

/** A scope without wires, by the ids that the canvas gives them; those from and to the ends of a subgraph too. */
export function withoutWires(scope: Recipe, ids: ReadonlySet<string>): Recipe {
  let result = disconnect(
    scope,
    wires(scope).filter((wire) => ids.has(wireId(wire))),
  );
  for (const id of ids) {
    const [from, to] = id.startsWith("border:") ? id.slice("border:".length).split("→") : [];
    if (from?.startsWith(`${INPUTS}.`) && to) result = undeclare(result, endOf(to));
    else if (to?.startsWith(`${OUTPUTS}.`)) result = removeDeclared(result, "outputs", to.slice(OUTPUTS.length + 1));
  }
  return result;
}
