/** Runs and their results: the lists, and what can be done with one. */

import * as client from "../api/client";
import { followJob } from "../api/connect";
import { inWords } from "../api/http";
import { isOver, onJob, onJobsGone, useQueue } from "../api/queue";
import type { HistoryClear, Job } from "../api/types";
import { showTab } from "../app/shell";
import { toast } from "../app/toasts";
import { useTabs } from "../commands/store";
import { parseRecipe } from "../model/recipe";
import { createPager } from "./pager";

export const useArtefacts = createPager((before) => client.artefacts(before));
export const useRuns = createPager((before) => client.jobs(before));

/** Keep the lists as they are on the server, once they have been looked at. */
export function watchRuns(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const again = () => {
    timer = undefined;
    if (useArtefacts.getState().before !== undefined) void useArtefacts.getState().refresh();
    if (useRuns.getState().before !== undefined) void useRuns.getState().refresh();
  };
  const soon = () => {
    timer ??= setTimeout(again, 400);
  };
  const stops = [
    onJob((job, before) => {
      if (before === undefined || (isOver(job) && !isOver(before))) soon();
      useRuns.getState().replace((runs) => runs.map((run) => (run.id === job.id ? job : run)));
    }),
    onJobsGone(dropJobs),
    useQueue.subscribe((now, before) => {
      if (now.connection === "open" && before.connection !== "open") soon();
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    clearTimeout(timer);
  };
}

/** Open the workflow of a job as it was run, in a new tab that shows how it went. */
export async function reopenJob(id: number): Promise<void> {
  try {
    const { text } = await client.jobWorkflow(id);
    const tab = useTabs.getState().openTab({ recipe: parseRecipe(text) });
    followJob(tab, id);
    showTab(tab);
  } catch (error) {
    toast(`Job ${id} could not be opened. ${inWords(error)}`, "bad");
  }
}

async function tried<T>(what: string, doing: Promise<T>): Promise<T | undefined> {
  try {
    return await doing;
  } catch (error) {
    toast(`${what} did not work. ${inWords(error)}`, "bad");
    return undefined;
  }
}

export const retryJob = (job: Job) => tried("Retry", client.retry(job.id));
export const cancelJob = (job: Job) => tried("Cancel", client.cancel(job.id));
export const moveJob = (job: Job, before: number) => tried("Moving", client.change(job.id, { before }));
export const raiseJob = (job: Job, priority: number) => tried("Priority", client.change(job.id, { priority }));

export const removeJob = (job: Job) => tried("Removing", client.removeJob(job.id));

function dropJobs(gone: ReadonlySet<number>): void {
  useRuns.getState().replace((runs) => runs.filter((run) => !gone.has(run.id)));
  useArtefacts.getState().replace((items) => items.filter((item) => !gone.has(item.job)));
}

const EVERY_STATE: HistoryClear["states"] = ["completed", "failed", "cancelled"];

/** Forget runs that are over: those that ended in one of these states, more than so many seconds ago. */
export async function clearHistory(states = EVERY_STATE, olderThan = 0): Promise<void> {
  const found = await tried("Clearing the history", client.clearHistory(states, olderThan));
  if (found !== undefined) toast(found.jobs === 1 ? "1 run forgotten" : `${found.jobs} runs forgotten`, "good");
}
