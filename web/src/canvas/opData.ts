/** What a node's view draws: the same object as long as it would draw the same. Where the node lies is no part of it. */

import type { Catalogue } from "../api/catalogue";
import { sameValue } from "../model/json";
import { type Entry, entryOf } from "../model/layout";
import { type Ports, portsOf, usedOutputs } from "../model/ports";
import { endOf, type Recipe, type RecipeNode, SUBWORKFLOW } from "../model/recipe";
import { shapeOf } from "../model/shape";
import type { OpData } from "./flowParts";

type Known = Pick<Catalogue, "nodeTypes">;

interface Declarations {
  readonly fed: ReadonlyMap<string, Record<string, string>>;
  readonly shown: ReadonlyMap<string, Record<string, string>>;
}

/** By node and port, what the recipe declares. */
export function declarations(scope: Recipe): Declarations {
  const fed = new Map<string, Record<string, string>>();
  const shown = new Map<string, Record<string, string>>();
  const note = (map: Map<string, Record<string, string>>, link: string, name: string) => {
    const end = endOf(link);
    map.set(end.node, { ...map.get(end.node), [end.port]: name });
  };
  for (const [name, input] of Object.entries(scope.inputs ?? {})) for (const link of input.to) note(fed, link, name);
  for (const [name, link] of Object.entries(scope.outputs ?? {})) note(shown, link, name);
  return { fed, shown };
}

const NOTHING: Readonly<Record<string, string>> = {};

/** What a node's view draws; the object of before if that would draw the same. */
export function opData(
  tab: string,
  recipe: Recipe,
  at: readonly string[],
  scope: Recipe,
  id: string,
  node: RecipeNode,
  declared: Declarations,
  catalogue: Known,
  before: OpData | undefined,
): OpData {
  const fresh = entryOf(scope, id);
  const entry = before && sameLook(before.entry, fresh) ? before.entry : fresh;
  const fed = keepSame(before?.fed, declared.fed.get(id) ?? NOTHING);
  const shown = keepSame(before?.shown, declared.shown.get(id) ?? NOTHING);
  const type = catalogue.nodeTypes.get(node.op);
  const plain = type !== undefined && !type.body && !node.op.startsWith(SUBWORKFLOW);
  let ports: Ports;
  if (plain && before?.node.op === node.op && before.ports.type === type) ports = before.ports;
  else ports = keepSame(before?.ports, portsOf(recipe, at, id, node, catalogue));
  const same = before && before.node === node && before.ports === ports && before.entry === entry;
  if (same && before.fed === fed && before.shown === shown && before.tab === tab && !entry.hide_unused) return before;
  const used = entry.hide_unused ? usedOutputs(scope, id) : EMPTY;
  const shape = keepSame(before?.shape, shapeOf(ports, node, entry, used, new Set(Object.keys(fed))));
  if (same && before.shape === shape && before.fed === fed && before.shown === shown && before.tab === tab)
    return before;
  return { tab, id, node, ports, entry, shape, fed, shown };
}

const EMPTY: ReadonlySet<string> = new Set();
const keepSame = <T>(before: T | undefined, now: T): T =>
  before !== undefined && sameValue(before, now) ? before : now;

/** Whether two entries draw the same, wherever they are. */
function sameLook(a: Entry, b: Entry): boolean {
  return (
    a.colour === b.colour &&
    a.collapsed === b.collapsed &&
    a.hide_unused === b.hide_unused &&
    a.hide_result === b.hide_result &&
    sameValue(a.size, b.size) &&
    sameValue(a.seed, b.seed) &&
    sameValue(a.heights, b.heights)
  );
}
