/** How far a job is, of 1: its finished steps and the shares of those that run. */

import type { NodeLive } from "./live";
import type { Job } from "./types";

export function progressOf(job: Job, nodes: ReadonlyMap<string, NodeLive>): number {
  if (job.state === "completed") return 1;
  if (job.steps <= 0) return 0;
  let share = 0;
  for (const node of nodes.values()) {
    if (node.state === "running" && node.total > 0) share += Math.min(1, node.done / node.total);
  }
  return Math.min(1, (job.finished_steps + Math.min(share, job.steps - job.finished_steps)) / job.steps);
}

export const perCent = (share: number): number => Math.floor(share * 100);
