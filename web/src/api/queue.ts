/** The server's queue and the jobs that this window has heard of. */

import { create } from "zustand";
import type { Connection } from "./events";
import { perFrame } from "./frame";
import type { Job, Queue } from "./types";

export interface QueueState {
  connection: Connection;
  paused: boolean;
  /** How many wait, also those that are not in `jobs`. */
  queued: number;
  jobs: ReadonlyMap<number, Job>;
  job(id: number | undefined): Job | undefined;
  /** Rises when a job finished: lists of results read again. */
  finished: number;
}

const KEPT_FINISHED = 300;
const jobs = new Map<number, Job>();
let changes: Partial<QueueState> = {};

export const useQueue = create<QueueState>(() => ({
  connection: "connecting",
  paused: false,
  queued: 0,
  jobs: new Map(),
  job: (id) => (id === undefined ? undefined : jobs.get(id)),
  finished: 0,
}));

export const isOver = (job: Job): boolean => job.state !== "queued" && job.state !== "running";

const apply = perFrame(() => {
  const over = [...jobs.values()].filter(isOver);
  for (const job of over.slice(0, Math.max(0, over.length - KEPT_FINISHED))) jobs.delete(job.id);
  const ready = changes;
  changes = {};
  useQueue.setState({ ...ready, jobs: new Map(jobs) });
});

function change(found: Partial<QueueState>): void {
  changes = { ...changes, ...found };
  apply();
}

type Listener = (job: Job, before: Job | undefined) => void;
const listeners = new Set<Listener>();

/** Told of each job that an event says is new or different, at once and in order. */
export function onJob(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A job as the server says it is now. Answers to requests may be older than events: a finished job stays so. */
export function jobCame(job: Job, from: "event" | "answer" = "event"): void {
  const before = jobs.get(job.id);
  if (from === "answer" && before !== undefined && rank(before) > rank(job)) return;
  jobs.delete(job.id);
  jobs.set(job.id, job);
  if (isOver(job) && (before === undefined || !isOver(before))) {
    change({ finished: (changes.finished ?? useQueue.getState().finished) + 1 });
  }
  apply();
  if (from === "event") for (const listener of listeners) listener(job, before);
}

const STATES = { queued: 0, running: 1, completed: 2, failed: 2, cancelled: 2 };
const rank = (job: Job): number => job.attempt * 10 + STATES[job.state];

type GoneListener = (ids: ReadonlySet<number>) => void;
const goneListeners = new Set<GoneListener>();

/** Told of jobs that were forgotten, by whichever window. */
export function onJobsGone(listener: GoneListener): () => void {
  goneListeners.add(listener);
  return () => goneListeners.delete(listener);
}

export function jobsGone(ids: readonly number[]): void {
  for (const id of ids) jobs.delete(id);
  apply();
  const gone = new Set(ids);
  for (const listener of goneListeners) listener(gone);
}

export function queueCame(paused: boolean, queued: number): void {
  change({ paused, queued });
}

export function snapshotCame(queue: Queue, queued: readonly Job[]): void {
  const alive = new Set([...queue.running, ...queued].map((job) => job.id));
  for (const job of [...jobs.values()]) if (!isOver(job) && !alive.has(job.id)) jobs.delete(job.id);
  for (const job of [...queue.running, ...queued]) jobs.set(job.id, job);
  change({ paused: queue.paused, queued: queue.queued });
}

export function connectionIs(connection: Connection): void {
  useQueue.setState({ connection });
}

/** Running jobs, the oldest first. */
export const running = (all: ReadonlyMap<number, Job>): Job[] =>
  [...all.values()].filter((job) => job.state === "running").sort((a, b) => a.id - b.id);

/** Waiting jobs in the order in which they will run. */
export const waiting = (all: ReadonlyMap<number, Job>): Job[] =>
  [...all.values()]
    .filter((job) => job.state === "queued")
    .sort((a, b) => b.priority - a.priority || a.position - b.position || a.id - b.id);

export const applyNow = (): void => apply.now();
