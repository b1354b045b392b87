/** Wiring without a pointer: every connection that the selected node could have, in words, to search and pick. */

import { useMemo } from "react";
import { useCatalogue } from "../api/catalogue";
import { announce } from "../commands/announce";
import { editView } from "../commands/store";
import { connect } from "../model/links";
import { type Fit, outputType, portsOf } from "../model/ports";
import { type End, endText, own } from "../model/recipe";
import { targetsOf } from "./connecting";
import { rank } from "./fuzzy";
import { SearchDialog } from "./SearchDialog";
import { type Scope, scopeOf } from "./selection";
import { currentView, setUi, useUi } from "./ui";

interface Choice {
  from: End;
  to: End;
  type: string;
  fit: Fit;
  /** The input has a wire, which this one would replace. */
  taken: boolean;
}

/** Each wire that could be drawn from or to a node; free inputs first. */
export function choicesFor({ tab, at, scope }: Scope, id: string, known: Parameters<typeof portsOf>[4]): Choice[] {
  const node = own(scope.nodes, id);
  if (node === undefined) return [];
  const ports = portsOf(tab.recipe, at, id, node, known);
  const found: Choice[] = [];
  const add = (from: End, to: End, type: string, fit: Fit) => {
    if (from.node.includes(":") || to.node.includes(":")) return;
    found.push({ from, to, type, fit, taken: own(own(scope.nodes, to.node)?.links, to.port) !== undefined });
  };
  const endIn = (key: string): End => {
    const text = key.slice(key.indexOf(":") + 1);
    return { node: text.slice(0, text.indexOf(".")), port: text.slice(text.indexOf(".") + 1) };
  };
  for (const port of ports.inputs) {
    const end = { node: id, port: port.name };
    const targets = targetsOf(tab.recipe, at, { ...end, side: "in", type: port.type }, known);
    for (const [key, fit] of targets) add(endIn(key), end, outputType(tab.recipe, at, endIn(key), known), fit);
  }
  for (const port of ports.outputs) {
    const end = { node: id, port: port.name };
    const type = outputType(tab.recipe, at, end, known);
    for (const [key, fit] of targetsOf(tab.recipe, at, { ...end, side: "out", type }, known))
      add(end, endIn(key), type, fit);
  }
  const linked = (choice: Choice) =>
    [own(own(scope.nodes, choice.to.node)?.links, choice.to.port) ?? []].flat().includes(endText(choice.from));
  return found.filter((choice) => !linked(choice)).sort((a, b) => Number(a.taken) - Number(b.taken));
}

export function ConnectDialog({ tab }: { tab: string }) {
  const node = useUi((ui) => ui.connecting);
  return node ? <ConnectBox tab={tab} node={node} /> : null;
}

const SHOWN = 60;

function ConnectBox({ tab, node }: { tab: string; node: string }) {
  const known = useCatalogue();
  const choices = useMemo(() => {
    const here = scopeOf(tab);
    return here ? choicesFor(here, node, known) : [];
  }, [tab, node, known]);
  const close = () => {
    setUi({ connecting: "" });
    currentView()?.focus();
  };
  const pick = (choice: Choice | undefined) => {
    close();
    if (choice === undefined) return;
    const done = editView(tab, "Connect", (scope) => connect(scope, choice.from, choice.to, choice.fit));
    if (done) announce(`Connected ${endText(choice.from)} to ${endText(choice.to)}`);
  };
  return (
    <SearchDialog
      title={`Connect ${node}`}
      search="Search connections"
      placeholder="Which wire?"
      list="Connections"
      find={(query) => rank(query, choices, (c) => [`${endText(c.from)} ${endText(c.to)}`, c.type]).slice(0, SHOWN)}
      idOf={(choice) => `${endText(choice.from)} ${endText(choice.to)}`}
      none={() => "No wire fits."}
      onPick={pick}
      onClose={close}
    >
      {(choice) => (
        <>
          <span>
            {endText(choice.from)} → {endText(choice.to)}
          </span>
          <small>
            {choice.type}
            {choice.taken && choice.fit === "one" ? ", replaces a wire" : ""}
          </small>
        </>
      )}
    </SearchDialog>
  );
}
