/**
 * Drafts: what each open tab holds, in this browser's storage and on the server within a second of a change. A draft
 * never touches the named recipe. Each belongs to one window: the window holds a lock of the draft's name as long as it
 * lives, and a draft that this browser does not know (another browser's, or from before its storage was lost) is taken
 * over under a new id, so that two windows never write the same one.
 */

import { create } from "zustand";
import * as client from "../api/client";
import { followJob } from "../api/connect";
import { ApiError, inWords } from "../api/http";
import { useLive } from "../api/live";
import { useQueue } from "../api/queue";
import type { Draft } from "../api/types";
import { isDirty, newId, type Tab, useTabs } from "../commands/store";
import { asRecipe } from "../model/recipe";
import * as store from "./draftStore";
import { toast } from "./toasts";

const LOCAL_MS = 250;
const SERVER_MS = 500;
const AGAIN_MS = 5000;

/** Where a tab's last change is: not kept yet, in this browser only, on the server too. */
export type Kept = "changing" | "here" | "server";
export const useDrafts = create<{ kept: Readonly<Record<string, Kept>>; restored: boolean }>(() => ({
  kept: {},
  restored: false,
}));

interface Keeper {
  local: ReturnType<typeof setTimeout> | undefined;
  server: ReturnType<typeof setTimeout> | undefined;
  sending: boolean;
  again: boolean;
}
const keepers = new Map<string, Keeper>();

export function draftOf(tab: Tab, job: number | undefined): Draft {
  return {
    id: tab.id,
    title: tab.title,
    name: tab.name,
    etag: tab.etag,
    workflow: tab.recipe as unknown as Draft["workflow"],
    saved: !isDirty(tab),
    job: job ?? 0,
    modified: Date.now() / 1000,
  };
}

const tabOf = (id: string) => useTabs.getState().tabs.find((tab) => tab.id === id);
const current = (id: string): Draft | undefined => {
  const tab = tabOf(id);
  return tab && draftOf(tab, useLive.getState().followed[id]);
};
const mark = (id: string, kept: Kept) =>
  useDrafts.getState().kept[id] !== kept && useDrafts.setState((now) => ({ kept: { ...now.kept, [id]: kept } }));

function changed(id: string): void {
  let keeper = keepers.get(id);
  if (keeper === undefined) {
    keeper = { local: undefined, server: undefined, sending: false, again: false };
    keepers.set(id, keeper);
    void store.claim(id);
  }
  mark(id, "changing");
  keeper.local ??= setTimeout(() => writeHere(id), LOCAL_MS);
  keeper.server ??= setTimeout(() => void send(id), SERVER_MS);
}

function writeHere(id: string): void {
  const keeper = keepers.get(id);
  if (keeper === undefined) return;
  clearTimeout(keeper.local);
  keeper.local = undefined;
  const draft = current(id);
  if (draft && store.write(draft, false)) mark(id, "here");
}

async function send(id: string): Promise<void> {
  const keeper = keepers.get(id);
  const draft = current(id);
  if (keeper === undefined || draft === undefined) return;
  clearTimeout(keeper.server);
  keeper.server = undefined;
  if (keeper.sending) {
    keeper.again = true;
    return;
  }
  keeper.sending = true;
  try {
    await client.putDraft(draft);
    if (!keepers.has(id)) void client.removeDraft(id).catch(() => {});
    else if (keeper.server === undefined && !keeper.again) {
      store.write(draft, true);
      mark(id, "server");
    }
  } catch (error) {
    keeper.server ??= setTimeout(() => void send(id), AGAIN_MS);
    if (error instanceof ApiError && !error.unreachable && error.status !== 401) {
      toast(`The draft of “${draft.title}” is kept only in this browser. ${inWords(error)}`, "bad");
    }
  } finally {
    keeper.sending = false;
    if (keeper.again) {
      keeper.again = false;
      void send(id);
    }
  }
}

function closed(id: string): void {
  const keeper = keepers.get(id);
  clearTimeout(keeper?.local);
  clearTimeout(keeper?.server);
  keepers.delete(id);
  store.remove(id);
  store.release(id);
  useDrafts.setState(({ kept: { [id]: _gone, ...kept } }) => ({ kept }));
  void client.removeDraft(id).catch(() => {});
}

/** What must be written again when it differs. */
const differs = (a: Tab, b: Tab) =>
  a.recipe !== b.recipe || a.title !== b.title || a.name !== b.name || a.etag !== b.etag || a.saved !== b.saved;

/** Keep drafts of all tabs from now on. */
export function watchDrafts(): () => void {
  const stops = [
    useTabs.subscribe((now, before) => {
      if (now.tabs === before.tabs) {
        if (now.active !== before.active) store.rememberWindow(now.tabs, now.active);
        return;
      }
      const old = new Map(before.tabs.map((tab) => [tab.id, tab]));
      for (const tab of now.tabs) {
        const previous = old.get(tab.id);
        old.delete(tab.id);
        if (tab.history.held) continue; // a gesture is written when it ends
        if (previous === undefined || previous.history.held || differs(previous, tab)) changed(tab.id);
      }
      for (const id of old.keys()) closed(id);
      store.rememberWindow(now.tabs, now.active);
    }),
    useLive.subscribe((now, before) => {
      if (now.followed === before.followed) return;
      for (const id of Object.keys(now.followed)) {
        if (now.followed[id] !== before.followed[id] && tabOf(id)) changed(id);
      }
    }),
    useQueue.subscribe((now, before) => {
      if (now.connection !== "open" || before.connection === "open") return;
      for (const [id, kept] of Object.entries(useDrafts.getState().kept)) if (kept !== "server") void send(id);
    }),
  ];
  const leave = () => {
    for (const [id, kept] of Object.entries(useDrafts.getState().kept)) {
      if (kept === "server") continue;
      writeHere(id);
      const draft = current(id);
      if (draft) void client.putDraft(draft, true).catch(() => {});
    }
  };
  const hidden = () => document.visibilityState === "hidden" && leave();
  window.addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", hidden);
  return () => {
    for (const stop of stops) stop();
    window.removeEventListener("pagehide", leave);
    document.removeEventListener("visibilitychange", hidden);
  };
}

/** Open the drafts that no other window has open, in the order in which this window had them. */
export async function restoreDrafts(): Promise<void> {
  const here = store.readAll();
  const there = await client.drafts().catch(() => []);
  const { order, active } = store.lastWindow();
  const found = store.merge(here, there, order);
  const asked = new URLSearchParams(location.hash.slice(1)).get("draft"); // the link of `nodeflow serve FILE`
  if (asked !== null) history.replaceState(null, "", location.pathname);
  let shown = "";
  for (const { draft, known } of found) {
    if (!(await store.claim(draft.id, order.includes(draft.id)))) continue;
    const id = known ? draft.id : newId();
    if (!known) {
      await store.claim(id);
      store.release(draft.id);
    }
    try {
      const { recipe, title, name, etag, saved } = { ...draft, recipe: asRecipe(draft.workflow) };
      useTabs.getState().openTab({ recipe, title, name, etag, saved, id });
    } catch {
      continue;
    }
    if (draft.id === (asked ?? active)) shown = id;
    if (draft.job > 0) followJob(id, draft.job);
    if (!known) void send(id).then(() => client.removeDraft(draft.id).catch(() => {}));
  }
  if (shown !== "") useTabs.getState().activate(shown);
  useDrafts.setState({ restored: true });
}
