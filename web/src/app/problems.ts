/** What is wrong with the recipes of open tabs: the server's check, asked again shortly after each change. */

import { create } from "zustand";
import { useCatalogue } from "../api/catalogue";
import * as client from "../api/client";
import { ApiError, inWords } from "../api/http";
import { useLive } from "../api/live";
import { useQueue } from "../api/queue";
import type { Checked, Document, ProblemItem } from "../api/types";
import { useTabs } from "../commands/store";
import type { Recipe } from "../model/recipe";

const WAIT_MS = 200;

export interface Check {
  /** What was checked. */
  recipe: Recipe;
  checked: Checked;
}

export const useChecks = create<{ checks: Readonly<Record<string, Check>> }>(() => ({ checks: {} }));
const NONE: readonly ProblemItem[] = [];
const UNCHECKED: Omit<Checked, "problems"> = { digest: "", text: "", inputs: [], outputs: [], node_types: {} };

const timers = new Map<string, ReturnType<typeof setTimeout>>();
const asked = new Map<string, AbortController>();

async function check(id: string): Promise<void> {
  timers.delete(id);
  const recipe = useTabs.getState().tabs.find((tab) => tab.id === id)?.recipe;
  if (recipe === undefined) return;
  asked.get(id)?.abort();
  const stop = new AbortController();
  asked.set(id, stop);
  let checked: Checked;
  try {
    checked = await client.check(recipe as unknown as Document, stop.signal);
  } catch (error) {
    if (stop.signal.aborted || !(error instanceof ApiError) || error.unreachable || error.status === 401) return;
    const before = useChecks.getState().checks[id]?.checked ?? UNCHECKED;
    checked = { ...before, problems: error.problems.length > 0 ? [...error.problems] : [inSum(error)] };
  }
  if (asked.get(id) === stop) asked.delete(id);
  if (stop.signal.aborted) return;
  useChecks.setState((now) => ({ checks: { ...now.checks, [id]: { recipe, checked } } }));
}

const inSum = (error: ApiError): ProblemItem => ({
  code: "",
  name: "",
  place: "",
  message: inWords(error),
  expected: "",
  got: "",
  hint: "",
  severity: "error",
});

function soon(id: string, wait = WAIT_MS): void {
  clearTimeout(timers.get(id));
  timers.set(
    id,
    setTimeout(() => void check(id), wait),
  );
}

/** Check tabs as they change, and all again when the server's nodes may have changed. */
export function watchProblems(): () => void {
  const all = () => {
    for (const tab of useTabs.getState().tabs) soon(tab.id);
  };
  const stops = [
    useTabs.subscribe((now, before) => {
      if (now.tabs === before.tabs) return;
      const old = new Map(before.tabs.map((tab) => [tab.id, tab]));
      for (const tab of now.tabs) {
        const previous = old.get(tab.id);
        old.delete(tab.id);
        if (tab.history.held) continue; // a gesture is checked when it ends
        if (previous === undefined) soon(tab.id, 0);
        else if (previous.history.held || previous.recipe !== tab.recipe) soon(tab.id);
      }
      if (old.size === 0) return;
      for (const id of old.keys()) {
        clearTimeout(timers.get(id));
        asked.get(id)?.abort();
      }
      useChecks.setState(({ checks }) => ({
        checks: Object.fromEntries(Object.entries(checks).filter(([id]) => !old.has(id))),
      }));
    }),
    useQueue.subscribe((now, before) => {
      if (now.connection === "open" && before.connection !== "open") all();
    }),
    useCatalogue.subscribe((now, before) => {
      if (now.nodeTypes !== before.nodeTypes && before.state === "ready") all();
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    for (const timer of timers.values()) clearTimeout(timer);
  };
}

/** Check now, without waiting: before a run. */
export async function checkNow(id: string): Promise<readonly ProblemItem[]> {
  clearTimeout(timers.get(id));
  await check(id);
  return useChecks.getState().checks[id]?.checked.problems ?? NONE;
}

/** Problems that a submit was refused with: shown as a check's would be. */
export function problemsCame(id: string, recipe: Recipe, problems: readonly ProblemItem[]): void {
  const before = useChecks.getState().checks[id]?.checked ?? UNCHECKED;
  useChecks.setState((now) => ({
    checks: { ...now.checks, [id]: { recipe, checked: { ...before, problems: [...problems] } } },
  }));
}

export const useChecked = (id: string): Checked | undefined => useChecks((now) => now.checks[id]?.checked);

/** What is wrong with a tab's recipe. */
export const useProblems = (id: string): readonly ProblemItem[] =>
  useChecks((now) => now.checks[id]?.checked.problems ?? NONE);

export interface Failure {
  node: string;
  message: string;
}

const failures = new WeakMap<object, { version: number; found: readonly Failure[] }>();
const NO_FAILURES: readonly Failure[] = [];

/** The nodes that failed in the job that a tab follows; of a subgraph the nodes in it. */
export function useFailures(id: string): readonly Failure[] {
  return useLive((live) => {
    const nodes = live.nodes(live.followed[id]);
    const before = failures.get(nodes);
    if (before?.version === live.version) return before.found;
    const found: Failure[] = [];
    for (const [node, status] of nodes) if (status.state === "failed") found.push({ node, message: status.message });
    const inner = found.map((failure) => failure.node);
    const outermost = (node: string) => inner.some((other) => other.startsWith(`${node}/`));
    found.splice(0, found.length, ...found.filter((failure) => !outermost(failure.node)));
    const same =
      before?.found.length === found.length &&
      before.found.every((old, at) => old.node === found[at]?.node && old.message === found[at]?.message);
    const kept = same && before ? before.found : found.length === 0 ? NO_FAILURES : found;
    failures.set(nodes, { version: live.version, found: kept });
    return kept;
  });
}
