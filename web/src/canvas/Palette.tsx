/**
 * Search to add: opens at the pointer, finds by title, op and category, what was used lately first. With a wire waiting,
 * only nodes with a fitting port are listed, and the one that is picked is wired, in one step.
 */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useCatalogue } from "../api/catalogue";
import type { NodeType } from "../api/types";
import { announce } from "../commands/announce";
import { editView, placeOf, tabOf, useTabs } from "../commands/store";
import { addNode } from "../model/edits";
import type { Value } from "../model/json";
import { connect } from "../model/links";
import { definitionPorts, fits, outputType, portsOf } from "../model/ports";
import { opName, own, put, type Recipe, SUBWORKFLOW } from "../model/recipe";
import { definitionAt } from "../model/scope";
import { HEADER } from "../model/shape";
import type { Origin } from "./connecting";
import { INPUTS, OUTPUTS } from "./flow";
import { rank } from "./fuzzy";
import { noteRecent, recentOps } from "./recent";
import { SearchList } from "./SearchList";
import { currentView, type PaletteRequest, setUi, useUi } from "./ui";
import { wired as joined } from "./wiring";

interface Entry {
  op: string;
  title: string;
  category: string;
  summary: string;
  deprecated: boolean;
  /** The port that a waiting wire would go to. */
  port: string;
}

export function Palette({ tab }: { tab: string }) {
  const request = useUi((ui) => ui.palette);
  return request ? <PaletteBox key={request.at.join()} tab={tab} request={request} /> : null;
}

const CLASSES = { field: "nf-palette-search", list: "nf-palette-list" };
const WIDTH = 380;
const HEIGHT = 440;

function PaletteBox({ tab, request }: { tab: string; request: PaletteRequest }) {
  const [query, setQuery] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const entries = useEntries(tab, request.origin);
  const recent = useMemo(recentOps, []);
  const found = useMemo(() => {
    const bonus = (entry: Entry) => {
      const lately = recent.indexOf(opName(entry.op));
      return (lately < 0 ? 0 : query === "" ? 100 - lately : 12 - lately / 2) - (entry.deprecated ? 40 : 0);
    };
    return rank(query, entries, (e) => [e.title, opName(e.op), e.category, e.summary], bonus).slice(0, 80);
  }, [query, entries, recent]);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const [x, y] = request.screen;
    element.style.left = `${Math.max(8, Math.min(x - 24, window.innerWidth - WIDTH - 8))}px`;
    element.style.top = `${Math.max(8, Math.min(y - 20, window.innerHeight - HEIGHT - 8))}px`;
  }, [request]);
  const close = () => {
    setUi({ palette: null });
    currentView()?.focus();
  };
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setUi({ palette: null });
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  }, []);
  const pick = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    add(tab, entry, request);
    close();
  };
  return (
    <div className="nf-palette" ref={box} role="dialog" aria-label="Add a node">
      <SearchList
        search="Search nodes"
        placeholder={request.origin ? `Nodes that fit ${request.origin.type}…` : "Search nodes…"}
        list="Nodes"
        classes={CLASSES}
        query={query}
        setQuery={setQuery}
        found={found}
        idOf={(entry) => entry.op}
        attributes={(entry) => ({ "data-op": entry.op })}
        none={`No node fits “${query}”.`}
        onPick={pick}
        onKey={(key) => {
          if (key === "Escape") close();
          return key === "Escape" || key === "Tab";
        }}
      >
        {(entry, chosen) => (
          <>
            <span className="nf-dot" data-category={entry.category.split("/")[0]} />
            <b>{entry.title}</b>
            <small>{entry.category}</small>
            {chosen && entry.summary && <p>{entry.summary}</p>}
          </>
        )}
      </SearchList>
    </div>
  );
}

/** What can be added here: the installed ops and the recipe's own sub-workflows. */
function useEntries(tab: string, origin: Origin | undefined): Entry[] {
  const catalogue = useCatalogue();
  const recipe = useTabs((state) => state.tabs.find((t) => t.id === tab)?.recipe);
  return useMemo(() => {
    const found = tabOf(tab);
    if (recipe === undefined || found === undefined) return [];
    const at = placeOf(found);
    const own: Entry[] = definitionNames(recipe, at).map((name) => {
      const title = definitionPorts(recipe, at, name, catalogue, 0)?.title || name;
      return { op: SUBWORKFLOW + name, title, category: "subgraph", summary: "", deprecated: false, port: "" };
    });
    const installed = [...catalogue.nodeTypes.values()].map(entryOf);
    const all = [...own, ...installed];
    if (origin === undefined) return all;
    return all.flatMap((entry) => {
      const port = fittingPort(recipe, at, entry.op, origin, catalogue);
      return port === undefined ? [] : [{ ...entry, port }];
    });
  }, [tab, recipe, catalogue, origin]);
}

const entryOf = (type: NodeType): Entry => ({
  op: type.op,
  title: type.title,
  category: type.category,
  summary: type.summary,
  deprecated: type.deprecated !== null,
  port: "",
});

/** Names of the sub-workflows that may be used at a place; not those that it is part of. */
export function definitionNames(recipe: Recipe, at: readonly string[]): string[] {
  const names = new Set<string>();
  for (let depth = at.length; depth >= 0; depth--) {
    for (const name of Object.keys(definitionAt(recipe, at.slice(0, depth))?.definitions ?? {})) names.add(name);
  }
  return [...names].filter((name) => !at.includes(name));
}

type Known = Parameters<typeof portsOf>[4];

/** The first port of an op that would take a waiting wire; required ones first. */
function fittingPort(
  recipe: Recipe,
  at: readonly string[],
  op: string,
  origin: Origin,
  known: Known,
): string | undefined {
  const ports = portsOf(recipe, at, "", { op }, known);
  if (origin.side === "out") {
    const fitting = ports.inputs.filter((port) => fits(port, origin.type) !== null);
    const exact = fitting.filter((port) => port.type.split(" | ").includes(origin.type));
    return [...exact, ...fitting].sort((a, b) => Number(b.required) - Number(a.required))[0]?.name;
  }
  if (origin.node === OUTPUTS) return ports.outputs[0]?.name;
  const scope = definitionAt(recipe, at);
  const node = own(scope?.nodes, origin.node);
  const target = node && portsOf(recipe, at, origin.node, node, known).inputs.find((p) => p.name === origin.port);
  return target && ports.outputs.find((port) => fits(target, port.type, node) !== null)?.name;
}

/** The values that a new node needs to be there at all: nothing that has a default. */
function firstValues(type: NodeType | undefined): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const port of type?.inputs ?? []) {
    if (!port.required || port.link_only) continue;
    if (port.choices?.length) values[port.name] = port.choices[0] as Value;
    else if (port.type === "str") values[port.name] = "";
    else if (port.type === "bool") values[port.name] = false;
    else if (port.type === "int" || port.type === "float") values[port.name] = Math.max(port.min ?? 0, 0);
  }
  return values;
}

function add(tab: string, entry: Entry, { at: [x, y], origin }: PaletteRequest): void {
  const found = tabOf(tab);
  if (found === undefined) return;
  const known = useCatalogue.getState();
  const place = placeOf(found);
  const type = known.nodeTypes.get(entry.op);
  let id = "";
  const done = editView(tab, `Add ${entry.title}`, (scope) => {
    const start: [number, number] = origin?.side === "in" ? [x - 248, y - HEADER - 20] : [x, y - HEADER / 2];
    const values = firstValues(type);
    const [added, made] = addNode(scope, entry.op, start, Object.keys(values).length ? { values } : {});
    id = made;
    return origin ? wired(found.recipe, place, added, made, entry.port, origin, known) : added;
  });
  if (!done) return;
  noteRecent(opName(entry.op));
  useTabs.getState().select(tab, [id]);
  announce(`Added ${entry.title}${origin ? ", wired" : ""}`);
}

function wired(
  recipe: Recipe,
  at: readonly string[],
  scope: Recipe,
  id: string,
  port: string,
  origin: Origin,
  known: Known,
): Recipe {
  const node = own(scope.nodes, id);
  if (node === undefined) return scope;
  if (origin.node === INPUTS || origin.node === OUTPUTS) {
    const [made, end] = [
      { node: id, handle: port },
      { node: origin.node, handle: origin.port },
    ];
    const [from, to] = origin.side === "out" ? [end, made] : [made, end];
    const ends = { source: from.node, target: to.node };
    return joined(scope, { ...ends, sourceHandle: `out:${from.handle}`, targetHandle: `in:${to.handle}` }, "one");
  }
  const here = { node: id, port };
  const there = { node: origin.node, port: origin.port };
  if (origin.side === "out") {
    const target = portsOf(recipe, at, id, node, known).inputs.find((p) => p.name === port);
    const fit = target ? fits(target, origin.type) : null;
    // A literal that the wire stands in for would only be in the way.
    const { [port]: _gone, ...values } = node.values ?? {};
    const bare = {
      ...scope,
      nodes: put(scope.nodes, id, Object.keys(values).length ? { ...node, values } : { op: node.op }),
    };
    return connect(bare, there, here, fit);
  }
  const target = own(scope.nodes, origin.node);
  const input = target && portsOf(recipe, at, origin.node, target, known).inputs.find((p) => p.name === origin.port);
  const withNode = { ...recipe, nodes: at.length ? recipe.nodes : scope.nodes };
  const type = at.length
    ? (portsOf(recipe, at, id, node, known).outputs.find((p) => p.name === port)?.type ?? "any")
    : outputType(withNode, at, here, known);
  return connect(scope, here, there, input ? fits(input, type, target) : null);
}
