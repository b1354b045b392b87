/** Bends of wires: points that a wire goes through, in `layout.reroutes`. For the eye only. */

import { list, type Point, point, record, withList } from "./layout";
import { type End, endText, type Recipe, type Value } from "./recipe";

export interface Reroute {
  readonly from: string;
  readonly to: string;
  readonly at: readonly Point[];
}

/** The bends of wires. */
export function reroutes(recipe: Recipe): Reroute[] {
  return list(recipe, "reroutes").flatMap((item) => {
    const raw = record(item);
    if (raw === undefined || typeof raw.from !== "string" || typeof raw.to !== "string" || !Array.isArray(raw.at))
      return [];
    const at = raw.at.map(point).filter((p) => p !== undefined);
    return at.length ? [{ from: raw.from, to: raw.to, at }] : [];
  });
}

/** The same recipe with a wire's bends; no points: a straight wire again. */
export function withReroute(recipe: Recipe, from: End, to: End, at: readonly Point[]): Recipe {
  const [source, target] = [endText(from), endText(to)];
  const others = list(recipe, "reroutes").filter((item) => {
    const raw = record(item);
    return raw?.from !== source || raw?.to !== target;
  });
  const points = at.map(([x, y]) => [Math.round(x), Math.round(y)]);
  return withBends(recipe, points.length ? [...others, { from: source, to: target, at: points }] : others);
}

const bendKey = (item: Value) => `${String(record(item)?.to)} ${String(record(item)?.from)}`;

/** The bends as a list in an order of its own, so that the same bends are the same text. */
export function withBends(recipe: Recipe, bends: readonly Value[]): Recipe {
  return withList(
    recipe,
    "reroutes",
    [...bends].sort((a, b) => (bendKey(a) < bendKey(b) ? -1 : 1)),
  );
}

/** All bends as they are written, given through `change`; what gives undefined is dropped. */
export function mapReroutes(recipe: Recipe, change: (item: Reroute) => Reroute | undefined): Recipe {
  const before = list(recipe, "reroutes");
  let same = true;
  const after = before.flatMap((item) => {
    const raw = record(item);
    if (typeof raw?.from !== "string" || typeof raw.to !== "string") return [item];
    const result = change(raw as unknown as Reroute);
    if (result === (raw as unknown)) return [item];
    same = false;
    return result ? [{ ...raw, ...result } as unknown as Value] : [];
  });
  return same ? recipe : withList(recipe, "reroutes", after);
}
