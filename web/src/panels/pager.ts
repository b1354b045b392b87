/** Lists that the server gives page by page, newest first. */

import { create, type StoreApi, type UseBoundStore } from "zustand";
import { inWords } from "../api/http";

export interface Page<T> {
  items: readonly T[];
  before: number | null;
}

export interface Pager<T> {
  items: readonly T[];
  /** What to ask for next; undefined: nothing was read yet; null: that was all. */
  before: number | null | undefined;
  loading: boolean;
  error: string;
  /** Read the next page. */
  more(): Promise<void>;
  /** Read the newest page again and put what is new in front. */
  refresh(): Promise<void>;
  /** Take out what is gone, put in what is different. */
  replace(change: (items: readonly T[]) => readonly T[]): void;
}

/** Newest first, each once; of two with one id the one that was read last. */
export function merged<T extends { id: number }>(known: readonly T[], read: readonly T[]): T[] {
  const all = new Map(known.map((item) => [item.id, item]));
  for (const item of read) all.set(item.id, item);
  return [...all.values()].sort((a, b) => b.id - a.id);
}

export function createPager<T extends { id: number }>(
  fetchPage: (before: number | null) => Promise<Page<T>>,
): UseBoundStore<StoreApi<Pager<T>>> {
  return create<Pager<T>>((set, get) => {
    let again = false;
    const read = async (before: number | null) => {
      set({ loading: true, error: "" });
      try {
        const page = await fetchPage(before);
        set((now) => {
          const first = now.before === undefined;
          const gap = before === null && !first && now.items.length > 0 && !meets(now.items, page.items);
          return {
            items: gap ? page.items : merged(now.items, page.items),
            before: before !== null || first || gap ? page.before : now.before,
          };
        });
      } catch (error) {
        set({ error: inWords(error) });
      } finally {
        set({ loading: false });
        if (again) {
          again = false;
          void read(null);
        }
      }
    };
    return {
      items: [],
      before: undefined,
      loading: false,
      error: "",
      more: async () => {
        const { before, loading } = get();
        if (!loading && before !== null) await read(before ?? null);
      },
      refresh: async () => {
        if (get().loading) again = true;
        else await read(null);
      },
      replace: (change) => set((now) => ({ items: change(now.items) })),
    };
  });
}

/** Whether nothing can be missing between what is known and the newest page. */
function meets<T extends { id: number }>(known: readonly T[], newest: readonly T[]): boolean {
  const oldest = newest.at(-1);
  return oldest === undefined || known.some((item) => item.id >= oldest.id);
}
