import { beforeEach, expect, test } from "vitest";
import type { Draft } from "../../src/api/types";
import { lastWindow, merge, readAll, rememberWindow, remove, write } from "../../src/app/draftStore";

class Memory implements Storage {
  private readonly items = new Map<string, string>();
  constructor(private readonly room = Number.POSITIVE_INFINITY) {}
  get length() {
    return this.items.size;
  }
  clear = () => this.items.clear();
  key = (at: number) => [...this.items.keys()][at] ?? null;
  getItem = (key: string) => this.items.get(key) ?? null;
  removeItem = (key: string) => void this.items.delete(key);
  setItem = (key: string, text: string) => {
    if (text.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.items.set(key, text);
  };
}

const draft = (id: string, change: Partial<Draft> = {}): Draft => ({
  id,
  title: id,
  name: "",
  etag: "",
  workflow: { format: "nodeflow/1", nodes: {} },
  saved: false,
  job: 0,
  modified: 1,
  ...change,
});

beforeEach(() => {
  globalThis.localStorage = new Memory();
  globalThis.sessionStorage = new Memory();
});

test("a draft comes back as it was written, whole numbers and all", () => {
  const one = draft("one-0001", { workflow: { nodes: { a: { values: { seed: 18446744073709551615n } } } } });
  expect(write(one, false)).toBe(true);
  expect(readAll()).toEqual([{ draft: one, sent: false }]);
  remove("one-0001");
  expect(readAll()).toEqual([]);
});

test("what others keep in the storage, and damaged entries, are left alone", () => {
  localStorage.setItem("nodeflow.settings", "{}");
  localStorage.setItem("nodeflow.draft.two-0002", JSON.stringify({ sent: true, draft: draft("other-003") }));
  expect(readAll()).toEqual([]);
});

test("a full storage is no error: the server has the draft too", () => {
  globalThis.localStorage = new Memory(10);
  expect(write(draft("one-0001"), false)).toBe(false);
});

test("of two copies the newer one counts: here if the server has not got it yet, else the server's", () => {
  const here = draft("one-0001", { title: "here" });
  const there = draft("one-0001", { title: "there" });
  expect(merge([{ draft: here, sent: false }], [there], [])).toEqual([{ draft: here, known: true }]);
  expect(merge([{ draft: here, sent: true }], [there], [])).toEqual([{ draft: there, known: true }]);
  expect(merge([{ draft: here, sent: true }], [], [])).toEqual([{ draft: here, known: true }]);
});

test("a draft that only the server knows is not this browser's own", () => {
  expect(merge([], [draft("one-0001")], [])).toEqual([{ draft: draft("one-0001"), known: false }]);
});

test("the window's own tabs come first, in their order; the others by age", () => {
  const there = [
    draft("new-0001", { modified: 9 }),
    draft("old-0002", { modified: 2 }),
    draft("b-000003", { modified: 5 }),
    draft("a-000004", { modified: 7 }),
  ];
  rememberWindow([{ id: "b-000003" }, { id: "a-000004" }], "a-000004");
  expect(lastWindow()).toEqual({ order: ["b-000003", "a-000004"], active: "a-000004" });
  const found = merge([], there, lastWindow().order).map((one) => one.draft.id);
  expect(found).toEqual(["b-000003", "a-000004", "old-0002", "new-0001"]);
});

test("a damaged memory of the window is forgotten", () => {
  sessionStorage.setItem("nodeflow.window", "{");
  expect(lastWindow()).toEqual({ order: [], active: "" });
});
