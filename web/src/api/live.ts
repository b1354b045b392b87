/**
 * How far the nodes of jobs are, by (job, node). Not part of any document, and never in an undo step.
 *
 * Entries are immutable and replaced, the maps that hold them are not: an event costs the same however many nodes
 * there are. A component subscribes to its own entry (`useNodeLive`), so an event draws one node again. A preview is
 * an object URL, revoked when the next one takes its place.
 */

import { create } from "zustand";
import type { Preview } from "./events";
import { perFrame } from "./frame";
import type { JobDetail, NodeStatus } from "./types";

export interface NodeLive extends NodeStatus {
  /** Object URL of the latest preview. */
  preview: string | null;
  /** Text that the node has written so far. */
  written: string;
  /** The event that said so. */
  seq: number;
}

interface Live {
  /** Rises when something was applied: what makes selectors look again. */
  version: number;
  /** The job that a tab follows: the latest that was submitted from it. */
  followed: Readonly<Record<string, number>>;
  node(job: number | undefined, node: string): NodeLive | undefined;
  nodes(job: number | undefined): ReadonlyMap<string, NodeLive>;
}

const KEPT_JOBS = 12;
const KEPT_TEXT = 64 * 1024;
const NONE: ReadonlyMap<string, NodeLive> = new Map();
const PENDING: NodeLive = {
  state: "pending",
  done: 0,
  total: 0,
  text: "",
  seconds: 0,
  message: "",
  warnings: [],
  preview: null,
  written: "",
  seq: 0,
};

const jobs = new Map<number, Map<string, NodeLive>>();
/** What came since the last frame; the last value of a node wins. */
const statuses = new Map<number, Map<string, { status: NodeStatus; seq: number }>>();
const pieces = new Map<number, Map<string, string>>();
const previews = new Map<number, Map<string, Blob>>();

export const useLive = create<Live>(() => ({
  version: 0,
  followed: {},
  node: (job, node) => (job === undefined ? undefined : jobs.get(job)?.get(node)),
  nodes: (job) => (job === undefined ? NONE : (jobs.get(job) ?? NONE)),
}));

const apply = perFrame(() => {
  for (const [job, found] of statuses)
    for (const [node, { status, seq }] of found) merge(job, node, { ...status, seq });
  for (const [job, found] of pieces) {
    for (const [node, piece] of found) {
      const written = (jobs.get(job)?.get(node)?.written ?? "") + piece;
      merge(job, node, { written: written.slice(-KEPT_TEXT) });
    }
  }
  for (const [job, found] of previews) {
    for (const [node, blob] of found) {
      revoke(jobs.get(job)?.get(node));
      merge(job, node, { preview: URL.createObjectURL(blob) });
    }
  }
  statuses.clear();
  pieces.clear();
  previews.clear();
  evict();
  useLive.setState((live) => ({ version: live.version + 1 }));
});

function inner<T>(outer: Map<number, Map<string, T>>, job: number): Map<string, T> {
  const found = outer.get(job) ?? new Map<string, T>();
  if (found.size === 0) outer.set(job, found);
  return found;
}

function merge(job: number, node: string, change: Partial<NodeLive>): void {
  const entries = inner(jobs, job);
  entries.set(node, { ...(entries.get(node) ?? PENDING), ...change });
}

function revoke(entry: NodeLive | undefined): void {
  if (entry?.preview) URL.revokeObjectURL(entry.preview);
}

function drop(job: number): void {
  for (const entry of jobs.get(job)?.values() ?? []) revoke(entry);
  jobs.delete(job);
}

/** Forget the oldest jobs that nobody follows. */
function evict(): void {
  if (jobs.size <= KEPT_JOBS) return;
  const wanted = new Set(Object.values(useLive.getState().followed));
  for (const job of [...jobs.keys()].sort((a, b) => a - b)) {
    if (jobs.size <= KEPT_JOBS) return;
    if (!wanted.has(job)) drop(job);
  }
}

export function nodeChanged(job: number, node: string, status: NodeStatus, seq: number): void {
  inner(statuses, job).set(node, { status, seq });
  apply();
}

export function textPiece(job: number, node: string, piece: string): void {
  const found = inner(pieces, job);
  found.set(node, (found.get(node) ?? "") + piece);
  apply();
}

/** A subgraph shows what a node in it previews, and so does that node when one looks into the subgraph. */
export function previewCame({ job, node, path, image }: Preview): void {
  for (const name of new Set([node, path])) inner(previews, job).set(name, image);
  apply();
}

/** What the server knows about a job's nodes, unless an event has told something newer. */
export function detailCame(detail: Pick<JobDetail, "nodes" | "seq"> & { job: { id: number } }): void {
  for (const [node, status] of Object.entries(detail.nodes)) {
    const known = jobs.get(detail.job.id)?.get(node);
    const waiting = statuses.get(detail.job.id)?.get(node);
    if (Math.max(known?.seq ?? -1, waiting?.seq ?? -1) <= detail.seq) {
      inner(statuses, detail.job.id).set(node, { status, seq: detail.seq });
    }
  }
  apply();
}

export function jobRemoved(job: number): void {
  drop(job);
  statuses.delete(job);
  pieces.delete(job);
  previews.delete(job);
  apply();
}

/** The server started anew and counts from the beginning: nothing that is known may stand in the way. */
export function countAnew(): void {
  apply.now();
  for (const entries of jobs.values()) for (const [node, entry] of entries) entries.set(node, { ...entry, seq: 0 });
}

export function follow(tab: string, job: number | undefined): void {
  useLive.setState((live) => {
    const { [tab]: _before, ...others } = live.followed;
    return { followed: job ? { ...others, [tab]: job } : others };
  });
}

/** The status of a node in the job that the tab follows. */
export const useNodeLive = (tab: string, node: string): NodeLive | undefined =>
  useLive((live) => live.node(live.followed[tab], node));

/** Apply what has come, without waiting for a frame (tests). */
export const applyNow = (): void => apply.now();
