/**
 * `layout`: what is only for the eye. Positions, sizes, colours, collapsed nodes, groups, sticky notes, reroutes and the
 * modes of seed widgets. It moves no key. Entries written by others (ComfyUI's importer, templates) are read with care:
 * whatever has not the expected shape is left alone and treated as not there. See docs/recipe.md.
 */

import type { Entries, Recipe, Value } from "./recipe";
import { own, put, without, withPart } from "./recipe";

export type Point = readonly [number, number];
export type SeedMode = "fixed" | "random" | "increment";

export interface Entry {
  readonly at?: Point;
  readonly size?: Point;
  readonly colour?: string;
  readonly collapsed?: boolean;
  readonly hide_unused?: boolean;
  /** What its last run made is not shown in the node. */
  readonly hide_result?: boolean;
  readonly seed?: Entries<Value>;
  readonly heights?: Entries<Value>;
}

export interface Group {
  readonly title: string;
  readonly at: Point;
  readonly size: Point;
  readonly colour: string;
  readonly collapsed: boolean;
  /** What a collapsed frame hides. */
  readonly nodes: readonly string[];
}

/** `key`: "notes:3" for the fourth of the list, or the id of an entry of its own that has a `note`. */
export interface Note {
  readonly key: string;
  readonly text: string;
  readonly at: Point;
  readonly size: Point;
  readonly colour: string;
}

export const NOTE_SIZE: Point = [240, 132];
const GROUP_SIZE: Point = [400, 280];

export function point(value: unknown): Point | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [x, y] = value.map(Number);
  return Number.isFinite(x) && Number.isFinite(y) ? [x as number, y as number] : undefined;
}

export function record(value: unknown): Entries<Value> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Entries<Value>) : undefined;
}

const text = (value: unknown) => (typeof value === "string" ? value : "");

// --- nodes -----------------------------------------------------------------------------------------------------------

const NO_ENTRY: Entry = {};
const entries = new WeakMap<object, Entry>();

/** A node's entry, read with care; the same object for the same entry. */
export function entryOf(recipe: Recipe, id: string): Entry {
  const raw = record(own(recipe.layout, id));
  if (raw === undefined) return NO_ENTRY;
  let entry = entries.get(raw);
  if (entry === undefined) {
    entry = {
      at: point(raw.at),
      size: point(raw.size),
      colour: text(raw.colour),
      collapsed: raw.collapsed === true,
      hide_unused: raw.hide_unused === true,
      hide_result: raw.hide_result === true,
      seed: record(raw.seed),
      heights: record(raw.heights),
    };
    entries.set(raw, entry);
  }
  return entry;
}

export function withEntry(recipe: Recipe, id: string, change: Partial<Entry>): Recipe {
  const before = record(own(recipe.layout, id)) ?? {};
  let after = before as Entries<Value>;
  for (const [key, value] of Object.entries(change)) after = withPart(after, key, tidyValue(value));
  if (after === before) return recipe;
  return withPart(
    recipe,
    "layout",
    Object.keys(after).length ? put(recipe.layout, id, after) : without(recipe.layout, id),
  );
}

/** Whole pixels: documents stay readable, and diffs small. */
function tidyValue(value: unknown): Value | undefined {
  if (value === false || value === undefined || value === "") return undefined;
  if (Array.isArray(value)) return value.map((item) => (typeof item === "number" ? Math.round(item) : item)) as Value;
  return value as Value;
}

/** Nodes at new places, as one new layout. */
export function withPositions(recipe: Recipe, places: ReadonlyMap<string, Point>): Recipe {
  if (places.size === 0) return recipe;
  const layout: Record<string, Value> = { ...recipe.layout };
  let changed = false;
  for (const [id, [x, y]] of places) {
    const before = record(own(recipe.layout, id)) ?? {};
    const at = [Math.round(x), Math.round(y)] as const;
    const old = point(before.at);
    if (old && old[0] === at[0] && old[1] === at[1]) continue;
    Object.defineProperty(layout, id, {
      value: { ...before, at },
      enumerable: true,
      configurable: true,
      writable: true,
    });
    changed = true;
  }
  return changed ? { ...recipe, layout } : recipe;
}

/** How the seed of a port is chosen before a run. */
export function seedMode(entry: Entry, port: string): SeedMode {
  const mode = own(entry.seed, port);
  return mode === "random" || mode === "increment" ? mode : "fixed";
}

export function withSeedMode(recipe: Recipe, id: string, port: string, mode: SeedMode): Recipe {
  const seeds = entryOf(recipe, id).seed;
  return withEntry(recipe, id, { seed: mode === "fixed" ? without(seeds, port) : put(seeds, port, mode) });
}

// --- lists: groups, notes, reroutes ------------------------------------------------------------------------------------

export function list(recipe: Recipe, key: string): readonly Value[] {
  const value = own(recipe.layout, key);
  return Array.isArray(value) ? value : [];
}

export function withList(recipe: Recipe, key: string, items: readonly Value[]): Recipe {
  if (items.length === 0 && !Array.isArray(own(recipe.layout, key))) return recipe;
  return withPart(recipe, "layout", items.length ? put(recipe.layout, key, items) : without(recipe.layout, key));
}

/** All groups; those that cannot be read are holes, so that indexes stay what they are. */
export function groups(recipe: Recipe): (Group | undefined)[] {
  return list(recipe, "groups").map((item) => {
    const raw = record(item);
    const at = point(raw?.at);
    if (raw === undefined || at === undefined) return undefined;
    const collapsed = raw.collapsed === true;
    const nodes = Array.isArray(raw.nodes) ? raw.nodes.filter((id) => typeof id === "string") : [];
    const size = point(raw.size) ?? GROUP_SIZE;
    return { title: text(raw.title), at, size, colour: text(raw.colour), collapsed, nodes };
  });
}

export function addGroup(recipe: Recipe, group: Partial<Group> & { at: Point }): Recipe {
  return withList(recipe, "groups", [...list(recipe, "groups"), plainEntry(group)]);
}

export function changeGroup(recipe: Recipe, index: number, change: Partial<Group>): Recipe {
  const items = list(recipe, "groups");
  return withList(
    recipe,
    "groups",
    items.map((item, i) => (i === index ? changed(record(item) ?? {}, change) : item)),
  );
}

export function removeGroups(recipe: Recipe, indexes: ReadonlySet<number>): Recipe {
  if (indexes.size === 0) return recipe;
  return withList(
    recipe,
    "groups",
    list(recipe, "groups").filter((_, i) => !indexes.has(i)),
  );
}

function plainEntry(change: object): Value {
  return changed({}, change);
}

function changed(before: Entries<Value>, change: object): Entries<Value> {
  return Object.entries(change).reduce(
    (part, [key, value]) => (key === "key" ? part : withPart(part, key, tidyValue(value))),
    before,
  );
}

/** Sticky notes: those of the list `notes`, and entries of their own that have a `note` (which no node has). */
export function notes(recipe: Recipe): Note[] {
  const found: Note[] = [];
  list(recipe, "notes").forEach((item, index) => {
    const raw = record(item);
    if (raw) found.push(noteOf(`notes:${index}`, raw, text(raw.text)));
  });
  for (const [key, value] of Object.entries(recipe.layout ?? {})) {
    const raw = record(value);
    if (raw && typeof raw.note === "string" && !Object.hasOwn(recipe.nodes, key)) {
      found.push(noteOf(key, raw, raw.note));
    }
  }
  return found;
}

const noteCache = new WeakMap<object, Note>();

function noteOf(key: string, raw: Entries<Value>, words: string): Note {
  const cached = noteCache.get(raw);
  if (cached?.key === key) return cached;
  const note = {
    key,
    text: words,
    at: point(raw.at) ?? [0, 0],
    size: point(raw.size) ?? NOTE_SIZE,
    colour: text(raw.colour),
  };
  noteCache.set(raw, note as Note);
  return note as Note;
}

const listIndex = (key: string) => (key.startsWith("notes:") ? Number(key.slice(6)) : -1);

export function addNote(recipe: Recipe, note: { text: string; at: Point; size?: Point; colour?: string }): Recipe {
  return withList(recipe, "notes", [
    ...list(recipe, "notes"),
    { text: note.text, ...(plainEntry({ ...note, text: "" }) as object) },
  ]);
}

export function changeNote(recipe: Recipe, key: string, change: Partial<Omit<Note, "key">>): Recipe {
  const index = listIndex(key);
  const { text: words, ...rest } = change;
  const apply = (raw: Entries<Value>, name: string) => ({
    ...changed(raw, rest),
    ...(words === undefined ? {} : { [name]: words }),
  });
  if (index >= 0) {
    const items = list(recipe, "notes");
    return withList(
      recipe,
      "notes",
      items.map((item, i) => (i === index ? apply(record(item) ?? {}, "text") : item)),
    );
  }
  const raw = record(own(recipe.layout, key));
  return raw ? { ...recipe, layout: put(recipe.layout, key, apply(raw, "note")) } : recipe;
}

export function removeNotes(recipe: Recipe, keys: ReadonlySet<string>): Recipe {
  if (keys.size === 0) return recipe;
  const indexes = new Set([...keys].map(listIndex));
  const kept = withList(
    recipe,
    "notes",
    list(recipe, "notes").filter((_, i) => !indexes.has(i)),
  );
  const named = [...keys].filter((key) => listIndex(key) < 0);
  return withPart(kept, "layout", without(kept.layout, ...named));
}
