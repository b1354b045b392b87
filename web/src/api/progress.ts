/** How far a job is, of 1: its finished steps and the shares of those that run. */

import type { NodeLive } from "./live";
import type { Job } from "./types";

/** How many steps are over. Nodes say so at once, the job now and then; a mapped node stands for several steps. */
export function finishedOf(job: Job, nodes: ReadonlyMap<string, NodeLive>): number {
  let over = 0;
  for (const node of nodes.values()) if (node.state === "done" || node.state === "cached") over += 1;
  return Math.min(job.steps, Math.max(job.finished_steps, over));
}

export function progressOf(job: Job, nodes: ReadonlyMap<string, NodeLive>): number {
  if (job.state === "completed") return 1;
  if (job.steps <= 0) return 0;
  let share = 0;
  for (const node of nodes.values()) {
    if (node.state === "running" && node.total > 0) share += Math.min(1, node.done / node.total);
  }
  const finished = finishedOf(job, nodes);
  return (finished + Math.min(share, job.steps - finished)) / job.steps;
}

export const perCent = (share: number): number => Math.floor(share * 100);
