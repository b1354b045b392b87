/** Drafts in the browser's storage, and which window holds which. */

import type { Draft } from "../api/types";
import { readJson, writeJson } from "../model/json";

const PREFIX = "nodeflow.draft.";
const WINDOW = "nodeflow.window";

export interface Stored {
  draft: Draft;
  /** The server has it as it is here. */
  sent: boolean;
}

/** False: the storage is full or forbidden. */
export function write(draft: Draft, sent: boolean): boolean {
  try {
    localStorage.setItem(PREFIX + draft.id, writeJson({ sent, draft }, 0));
    return true;
  } catch {
    return false;
  }
}

export function remove(id: string): void {
  try {
    localStorage.removeItem(PREFIX + id);
  } catch {
    // Then there was nothing stored.
  }
}

export function readAll(): Stored[] {
  const found: Stored[] = [];
  try {
    for (let at = 0; at < localStorage.length; at++) {
      const key = localStorage.key(at);
      if (!key?.startsWith(PREFIX)) continue;
      const stored = readJson(localStorage.getItem(key) ?? "null") as unknown as Stored | null;
      if (stored?.draft?.id === key.slice(PREFIX.length)) found.push(stored);
    }
  } catch {
    // A damaged entry: the server's copy stands in for it.
  }
  return found;
}

export interface Found {
  draft: Draft;
  /** This browser wrote it: it keeps its id. */
  known: boolean;
}

/** All drafts, each from where it is newest: first those of this window in their order, then by age. */
export function merge(here: readonly Stored[], there: readonly Draft[], order: readonly string[]): Found[] {
  const all = new Map<string, Found>();
  for (const draft of there) all.set(draft.id, { draft, known: false });
  for (const { draft, sent } of here) {
    const other = all.get(draft.id);
    all.set(draft.id, { draft: sent && other ? other.draft : draft, known: true });
  }
  const place = (id: string) => (order.includes(id) ? order.indexOf(id) : order.length);
  return [...all.values()].sort((a, b) => place(a.draft.id) - place(b.draft.id) || a.draft.modified - b.draft.modified);
}

export function rememberWindow(tabs: readonly { id: string }[], active: string): void {
  try {
    sessionStorage.setItem(WINDOW, JSON.stringify({ order: tabs.map((tab) => tab.id), active }));
  } catch {
    // Then the order is by age after a reload.
  }
}

export function lastWindow(): { order: string[]; active: string } {
  try {
    const found = JSON.parse(sessionStorage.getItem(WINDOW) ?? "{}") as { order?: string[]; active?: string };
    return { order: Array.isArray(found.order) ? found.order : [], active: String(found.active ?? "") };
  } catch {
    return { order: [], active: "" };
  }
}

const releases = new Map<string, () => void>();

/**
 * Make a draft this window's; false: another window has it. `patient`: it was this window's before a reload, whose lock
 * may be about to be freed.
 */
export async function claim(id: string, patient = false): Promise<boolean> {
  if (releases.has(id)) return true;
  if (navigator.locks === undefined) return true;
  for (let attempt = 0; ; attempt++) {
    const got = await new Promise<boolean>((answer) => {
      const held = (lock: Lock | null): Promise<void> | undefined => {
        answer(lock !== null);
        return lock === null ? undefined : new Promise<void>((release) => releases.set(id, release));
      };
      navigator.locks.request(PREFIX + id, { ifAvailable: true }, held).catch(() => answer(true));
    });
    if (got || !patient || attempt >= 8) return got;
    await new Promise((wait) => setTimeout(wait, 50));
  }
}

export function release(id: string): void {
  releases.get(id)?.();
  releases.delete(id);
}
