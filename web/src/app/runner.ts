/** Queueing a tab's recipe, and which job a tab shows. */

import { useCatalogue } from "../api/catalogue";
import * as client from "../api/client";
import { followJob } from "../api/connect";
import { ApiError, inWords } from "../api/http";
import { useLive } from "../api/live";
import { isOver, jobCame, onJob, running, useQueue } from "../api/queue";
import type { Document, NodeType } from "../api/types";
import { announce } from "../commands/announce";
import { tabOf, useTabs } from "../commands/store";
import { own, type Recipe } from "../model/recipe";
import { integerOf, withNewSeeds } from "../model/seeds";
import { declaredValues } from "../panels/inputs";
import { problemsCame } from "./problems";
import { set, useShell } from "./shell";
import { toast } from "./toasts";

/** Jobs that were submitted from a tab, in order. */
const mine = new Map<string, number[]>();
const queueing = new Set<string>();

/** The seeds as a run uses them, by "node.port"; in definitions by "definition/node.port". */
export function seedsOf(recipe: Recipe, types: ReadonlyMap<string, NodeType>, at = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, inner] of Object.entries(recipe.definitions ?? {})) {
    Object.assign(found, seedsOf(inner, types, `${at}${name}/`));
  }
  for (const [id, node] of Object.entries(recipe.nodes)) {
    for (const port of types.get(node.op)?.inputs ?? []) {
      const value = port.widget === "seed" ? integerOf(own(node.values, port.name)) : undefined;
      if (value !== undefined) found[`${at}${id}.${port.name}`] = value.toString();
    }
  }
  return found;
}

/** Draw new seeds where the recipe says so, write them into it, and put it into the queue; `count` times. */
export async function queueTab(id: string, count = 1): Promise<boolean> {
  if (queueing.has(id)) return false;
  queueing.add(id);
  try {
    for (let nth = 0; nth < count; nth++) {
      useTabs.getState().edit(id, "New seeds", withNewSeeds, { key: "seeds" });
      const tab = tabOf(id);
      if (tab === undefined) return false;
      if (!(await submit(id, tab.recipe))) return false;
      useTabs.getState().look(id, { lastSeeds: seedsOf(tab.recipe, useCatalogue.getState().nodeTypes) });
    }
    announce(count === 1 ? "Queued" : `${count} runs queued`);
    return true;
  } finally {
    queueing.delete(id);
  }
}

async function submit(id: string, recipe: Recipe): Promise<boolean> {
  try {
    const inputs = declaredValues(recipe);
    const workflow = recipe as unknown as Document;
    const { jobs } = await client.submit({ workflow, inputs, sweep: [], targets: null, priority: 0 });
    for (const job of jobs) jobCame(job, "answer");
    const ids = jobs.map((job) => job.id);
    const before = (mine.get(id) ?? []).filter((other) => {
      const job = useQueue.getState().job(other);
      return job !== undefined && !isOver(job);
    });
    mine.set(id, [...before, ...ids]);
    const latest = ids.at(-1);
    if (latest !== undefined && !isBusy(useLive.getState().followed[id])) followJob(id, before[0] ?? latest);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.problems.length > 0) {
      problemsCame(id, recipe, error.problems);
      set({ dock: "problems" });
      const count = error.problems.filter((problem) => problem.severity === "error").length;
      toast(count === 1 ? "Not queued: there is a problem to solve first." : `Not queued: ${count} problems.`, "bad");
    } else toast(`Not queued. ${inWords(error)}`, "bad");
    return false;
  }
}

const isBusy = (id: number | undefined): boolean => useQueue.getState().job(id)?.state === "running";

/** A tab shows the job that was submitted from it last; while an earlier one of them still runs, that one. */
export function watchJobs(): () => void {
  return onJob((job, before) => {
    if (job.state !== before?.state) {
      for (const [tab, jobs] of mine) if (jobs.includes(job.id)) follow(tab, jobs, job.id, job.state);
      say(job.state, job.id, job.error);
    }
  });
}

function follow(tab: string, jobs: readonly number[], id: number, state: string): void {
  if (state === "running") followJob(tab, id);
  else if (state === "completed" && id === jobs.at(-1)) followJob(tab, id);
}

function say(state: string, id: number, error: string): void {
  if (state === "running") announce(`Job ${id} is running`);
  else if (state === "completed") announce(`Job ${id} is completed`);
  else if (state === "cancelled") announce(`Job ${id} was cancelled`);
  else if (state === "failed") {
    announce(`Job ${id} failed: ${error}`);
    toast(`Job ${id} failed: ${error || "see the node that failed"}`, "bad", {
      label: "Show",
      run: () => set({ dock: "problems" }),
    });
  }
}

export async function cancelCurrent(): Promise<void> {
  const { followed } = useLive.getState();
  const all = running(useQueue.getState().jobs);
  const own = all.find((job) => job.id === followed[useTabs.getState().active]) ?? all[0];
  if (own === undefined) return;
  try {
    jobCame(await client.cancel(own.id), "answer");
  } catch (error) {
    toast(`Cancel did not work. ${inWords(error)}`, "bad");
  }
}

/** Take everything out of the queue and stop what runs. */
export async function clearAll(): Promise<void> {
  try {
    const { cancelled } = await client.clear(true);
    toast(cancelled === 1 ? "1 run cancelled" : `${cancelled} runs cancelled`);
  } catch (error) {
    toast(`Clear did not work. ${inWords(error)}`, "bad");
  }
}

export async function setPaused(paused: boolean): Promise<void> {
  try {
    await (paused ? client.pause() : client.resume());
  } catch (error) {
    toast(`${paused ? "Pause" : "Resume"} did not work. ${inWords(error)}`, "bad");
  }
}

export async function queueActive(): Promise<void> {
  const { active } = useTabs.getState();
  if (active !== "" && useShell.getState().page === "tab") await queueTab(active, useShell.getState().batch);
}
