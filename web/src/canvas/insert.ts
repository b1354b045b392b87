/** A node dropped on a wire is put into it, if its types fit. */

import { useCatalogue } from "../api/catalogue";
import { insertInWire } from "../model/edits";
import { fits, outputType, portsOf } from "../model/ports";
import { own, type Recipe, type Wire, wires, wiresInto } from "../model/recipe";
import { wireId } from "./flow";
import { sampled } from "./Knife";
import { scopeOf } from "./selection";

/** The ports through which a node could stand in a wire. */
function way(tab: string, id: string, wire: Wire): { input: string; output: string } | undefined {
  const here = scopeOf(tab);
  const node = own(here?.scope.nodes, id);
  const target = own(here?.scope.nodes, wire.to.node);
  if (!here || !node || !target || wire.from.node === id || wire.to.node === id) return undefined;
  const known = useCatalogue.getState();
  const { recipe } = here.tab;
  const source = outputType(recipe, here.at, wire.from, known);
  const ports = portsOf(recipe, here.at, id, node, known);
  const input = ports.inputs
    .filter((port) => fits(port, source, node) !== null)
    .sort((a, b) => Number(b.required) - Number(a.required))[0];
  const wanted = portsOf(recipe, here.at, wire.to.node, target, known).inputs.find(
    (port) => port.name === wire.to.port,
  );
  const output =
    wanted && ports.outputs.find((port) => fits(wanted, port.type === "T" ? source : port.type, target) !== null);
  return input && output ? { input: input.name, output: output.name } : undefined;
}

export interface Rect {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const meet = (a: Rect, b: Rect) => a.left <= b.right && a.right >= b.left && a.top <= b.bottom && a.bottom >= b.top;

/** The drawn wire that a node (at a place in the window) lies on and could be put into; only for a node without wires. */
export function wireUnder(tab: string, id: string, box: Rect, root: HTMLElement): string {
  const scope = scopeOf(tab)?.scope;
  const node = own(scope?.nodes, id);
  if (!scope || !node || wiresInto(id, node).length || wires(scope).some((w) => w.from.node === id)) return "";
  const aside = (box.right - box.left) * 0.1;
  const inner = { left: box.left + aside, right: box.right - aside, top: box.top, bottom: box.bottom };
  const all = new Map(wires(scope).map((wire) => [wireId(wire), wire]));
  for (const path of root.querySelectorAll<SVGPathElement>("path[data-wire]")) {
    const wire = all.get(path.dataset.wire ?? "");
    if (!wire || !meet(path.getBoundingClientRect(), inner)) continue;
    const on = sampled(path, 24).some(
      ([x, y]) => x > inner.left && x < inner.right && y > inner.top && y < inner.bottom,
    );
    if (on && way(tab, id, wire)) return wireId(wire);
  }
  return "";
}

export function insertedIn(tab: string, id: string, wireKey: string): ((scope: Recipe) => Recipe) | undefined {
  const scope = scopeOf(tab)?.scope;
  const wire = scope && wires(scope).find((w) => wireId(w) === wireKey);
  const through = wire && way(tab, id, wire);
  return wire && through ? (s) => insertInWire(s, id, wire, through.input, through.output) : undefined;
}
