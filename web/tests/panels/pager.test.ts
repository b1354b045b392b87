import { expect, test } from "vitest";
import { createPager, merged, type Page } from "../../src/panels/pager";

interface Item {
  id: number;
}

/** A server with items 1..count in pages of three. */
function server(count: number) {
  const state = { count, asked: [] as (number | null)[] };
  const fetchPage = async (before: number | null): Promise<Page<Item>> => {
    state.asked.push(before);
    const from = before === null ? state.count : before - 1;
    const items = [from, from - 1, from - 2].filter((id) => id > 0).map((id) => ({ id }));
    return { items, before: from - 3 > 0 ? (items.at(-1) as Item).id : null };
  };
  return { state, pager: createPager(fetchPage) };
}

const ids = (pager: { getState(): { items: readonly Item[] } }) => pager.getState().items.map((item) => item.id);

test("pages follow each other, newest first, until the last", async () => {
  const { state, pager } = server(7);
  for (let i = 0; i < 5; i++) await pager.getState().more();
  expect(ids(pager)).toEqual([7, 6, 5, 4, 3, 2, 1]);
  expect(state.asked).toEqual([null, 5, 2]);
  expect(pager.getState().before).toBeNull();
});

test("what is new comes in front and the place in the list is kept", async () => {
  const { state, pager } = server(7);
  await pager.getState().more();
  await pager.getState().more();
  state.count = 9;
  await pager.getState().refresh();
  expect(ids(pager)).toEqual([9, 8, 7, 6, 5, 4, 3, 2]);
  await pager.getState().more();
  expect(ids(pager)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test("if more came than a page holds, it starts over instead of leaving a hole", async () => {
  const { state, pager } = server(3);
  await pager.getState().more();
  state.count = 30;
  await pager.getState().refresh();
  expect(ids(pager)).toEqual([30, 29, 28]);
  await pager.getState().more();
  expect(ids(pager)).toEqual([30, 29, 28, 27, 26, 25]);
});

test("an error is said, and the next try goes on", async () => {
  let fail = true;
  const pager = createPager<Item>(async () => {
    if (fail) throw new Error("no");
    return { items: [{ id: 1 }], before: null };
  });
  await pager.getState().more();
  expect(pager.getState().error).toBe("no");
  fail = false;
  await pager.getState().more();
  expect([ids(pager), pager.getState().error]).toEqual([[1], ""]);
});

test("merged keeps each once", () => {
  expect(merged([{ id: 2 }, { id: 1 }], [{ id: 3 }, { id: 2 }])).toEqual([{ id: 3 }, { id: 2 }, { id: 1 }]);
});
