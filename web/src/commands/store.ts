/**
 * The open tabs: each a recipe, its history, and how it is looked at. The only place where documents change.
 *
 * `edit` takes a pure function; if it throws `Refused`, nothing changes, the reason is shown and no step is left. What is
 * selected and where one looks is view state: it never comes back by an undo.
 */

import { create } from "zustand";
import { sameValue } from "../model/json";
import { EMPTY, type Recipe, Refused } from "../model/recipe";
import { editScope, type Path, validPath } from "../model/scope";
import { announce } from "./announce";
import { edited, FRESH, type History, held, redone, released, type State, undone } from "./history";

export interface Viewport {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export interface Tab {
  readonly id: string;
  readonly title: string;
  /** The saved recipe that it was opened from; "" if there is none. */
  readonly name: string;
  readonly etag: string;
  readonly recipe: Recipe;
  /** The document as it was last saved or opened. */
  readonly saved: Recipe | null;
  readonly history: History;
  /** Ids of selected nodes, notes, groups and reroutes, as the canvas names them. */
  readonly selection: ReadonlySet<string>;
  readonly selectedWires: ReadonlySet<string>;
  /** Which sub-workflow is looked at; empty: the recipe itself. */
  readonly path: Path;
  readonly viewports: { readonly [place: string]: Viewport };
  /** The seeds that the last run used, by "node.port"; in definitions by "definition/node.port". */
  readonly lastSeeds: { readonly [port: string]: string };
}

export interface OpenTab {
  recipe: Recipe;
  title?: string;
  name?: string;
  etag?: string;
  id?: string;
  /** The document counts as saved as it is (it was read from a file that has it). */
  saved?: boolean;
}

export interface Tabs {
  readonly tabs: readonly Tab[];
  readonly active: string;
  openTab(tab: OpenTab): string;
  closeTab(id: string): void;
  activate(id: string): void;
  /** Change a document by a pure function. The same `key` within 800 ms is the same step. False: nothing changed. */
  edit(id: string, label: string, change: (recipe: Recipe) => Recipe, options?: { key?: string }): boolean;
  undo(id: string): void;
  redo(id: string): void;
  /** Begin a gesture: everything until `release` is one step. */
  hold(id: string, label: string): void;
  release(id: string, options?: { cancel?: boolean }): void;
  markSaved(id: string, saved: { name: string; etag: string }): void;
  setTitle(id: string, title: string): void;
  select(id: string, selection: Iterable<string>, wires?: Iterable<string>): void;
  look(id: string, change: Partial<Pick<Tab, "path" | "viewports" | "lastSeeds">>): void;
}

export const newId = (): string => crypto.randomUUID();

export const useTabs = create<Tabs>((set, get) => {
  const update = (id: string, change: (tab: Tab) => Tab) =>
    set((state) => {
      const index = state.tabs.findIndex((tab) => tab.id === id);
      const before = state.tabs[index];
      if (before === undefined) return state;
      const after = change(before);
      return after === before ? state : { tabs: state.tabs.with(index, after) };
    });
  const move = (id: string, change: (state: State) => State) =>
    update(id, (tab) => {
      const after = change({ recipe: tab.recipe, history: tab.history });
      if (after.recipe === tab.recipe && after.history === tab.history) return tab;
      const path = validPath(after.recipe, tab.path);
      const title = after.recipe.title === tab.recipe.title ? tab.title : after.recipe.title || tab.title;
      return { ...tab, recipe: after.recipe, history: after.history, path, title };
    });

  return {
    tabs: [],
    active: "",
    openTab({ recipe, title, name = "", etag = "", id = newId(), saved = false }) {
      const tab: Tab = {
        id,
        title: title ?? (recipe.title || name || "Untitled"),
        name,
        etag,
        recipe,
        saved: saved ? recipe : null,
        history: FRESH,
        selection: new Set(),
        selectedWires: new Set(),
        path: [],
        viewports: {},
        lastSeeds: {},
      };
      set((state) => ({ tabs: [...state.tabs.filter((t) => t.id !== id), tab], active: id }));
      return id;
    },
    closeTab(id) {
      set((state) => {
        const index = state.tabs.findIndex((tab) => tab.id === id);
        const tabs = state.tabs.filter((tab) => tab.id !== id);
        const next = tabs[Math.min(Math.max(index, 0), tabs.length - 1)]?.id ?? "";
        return { tabs, active: state.active === id ? next : state.active };
      });
    },
    activate(id) {
      if (get().tabs.some((tab) => tab.id === id)) set({ active: id });
    },
    edit(id, label, change, options = {}) {
      const before = get().tabs.find((tab) => tab.id === id)?.recipe;
      try {
        move(id, (state) => edited(state, change(state.recipe), label, options.key));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        announce(error.message, "refused");
        return false;
      }
      return get().tabs.find((tab) => tab.id === id)?.recipe !== before;
    },
    undo(id) {
      const label = get()
        .tabs.find((tab) => tab.id === id)
        ?.history.past.at(-1)?.label;
      move(id, undone);
      if (label) announce(`Undone: ${label}`);
    },
    redo(id) {
      const label = get().tabs.find((tab) => tab.id === id)?.history.future[0]?.label;
      move(id, redone);
      if (label) announce(`Redone: ${label}`);
    },
    hold: (id, label) => move(id, (state) => held(state, label)),
    release: (id, options) => move(id, (state) => released(state, options?.cancel)),
    markSaved: (id, { name, etag }) => update(id, (tab) => ({ ...tab, name, etag, saved: tab.recipe })),
    setTitle: (id, title) => update(id, (tab) => (tab.title === title ? tab : { ...tab, title })),
    select: (id, selection, wires = []) =>
      update(id, (tab) => {
        const [next, lines] = [new Set(selection), new Set(wires)];
        const same = sameSet(next, tab.selection) && sameSet(lines, tab.selectedWires);
        return same ? tab : { ...tab, selection: next, selectedWires: lines };
      }),
    look: (id, change) => update(id, (tab) => ({ ...tab, ...change })),
  };
});

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}

export const tabOf = (id: string): Tab | undefined => useTabs.getState().tabs.find((tab) => tab.id === id);
export const activeTab = (): Tab | undefined => tabOf(useTabs.getState().active);

/** Whether a tab holds something that its file does not. */
export function isDirty(tab: Tab): boolean {
  if (tab.saved === tab.recipe) return false;
  return tab.saved === null ? tab.recipe !== EMPTY : !sameValue(tab.saved, tab.recipe);
}

/** Where the edits of a tab go: the recipe, or the definition that is looked at. */
export const placeOf = (tab: Tab): readonly string[] => tab.path.at(-1)?.at ?? [];

/** Change the scope that a tab looks at. */
export function editView(
  id: string,
  label: string,
  change: (scope: Recipe) => Recipe,
  options?: { key?: string },
): boolean {
  const tab = tabOf(id);
  if (tab === undefined) return false;
  const at = placeOf(tab);
  return useTabs.getState().edit(id, label, (recipe) => editScope(recipe, at, change), options);
}
