/**
 * What the nodes of a tab's runs have made, by node. It changes when a run that the tab follows ends, never by an event
 * of a node; while the next run goes on, what the one before made is still there (its items name their job).
 */

import { create } from "zustand";
import { useLive } from "./live";
import { isOver, useQueue } from "./queue";
import type { ArtefactInfo, Job } from "./types";

export type Items = readonly ArtefactInfo[];
export type ByNode = ReadonlyMap<string, Items>;

const NOTHING: ByNode = new Map();
export const useResults = create<{ tabs: Readonly<Record<string, ByNode>> }>(() => ({ tabs: {} }));

/** Results by the node that made them, and by each subgraph node around it. */
export function byNode(items: Items): ByNode {
  const found = new Map<string, ArtefactInfo[]>();
  for (const item of items) {
    const names = item.node.split("/");
    for (let depth = 1; depth <= names.length; depth++) {
      const name = names.slice(0, depth).join("/");
      if (name === "") continue;
      const list = found.get(name);
      if (list) list.push(item);
      else found.set(name, [item]);
    }
  }
  return found;
}

const seen = new Map<string, string>();

/** What a run made takes the place of what was there; of one that did not end well, node by node. */
export function resultsCame(tab: string, job: Job): void {
  const mark = `${job.id} ${job.state} ${job.artefacts.map((item) => item.id).join()}`;
  if (!isOver(job) || seen.get(tab) === mark) return;
  seen.set(tab, mark);
  const before = useResults.getState().tabs[tab] ?? NOTHING;
  const now = byNode(job.artefacts);
  const after = job.state === "completed" ? now : new Map([...before, ...now]);
  if (after.size === 0 && before.size === 0) return;
  useResults.setState(({ tabs }) => ({ tabs: { ...tabs, [tab]: after } }));
}

/** A job was removed from the history: nodes do not show what it made any more. */
export function resultsGone(job: number): void {
  const { tabs } = useResults.getState();
  for (const [tab, nodes] of Object.entries(tabs)) {
    const left = new Map([...nodes].filter(([, items]) => items.every((item) => item.job !== job)));
    if (left.size < nodes.size) useResults.setState((now) => ({ tabs: { ...now.tabs, [tab]: left } }));
  }
}

/** Keep up with the jobs that tabs follow. */
export function watchResults(): () => void {
  const look = () => {
    const { jobs } = useQueue.getState();
    for (const [tab, id] of Object.entries(useLive.getState().followed)) {
      const job = jobs.get(id);
      if (job) resultsCame(tab, job);
    }
  };
  const stops = [
    useQueue.subscribe((now, before) => now.jobs !== before.jobs && look()),
    useLive.subscribe((now, before) => now.followed !== before.followed && look()),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** What a node has made; undefined for nodes that made nothing. */
export const useNodeResults = (tab: string, node: string): Items | undefined =>
  useResults((results) => results.tabs[tab]?.get(node));
