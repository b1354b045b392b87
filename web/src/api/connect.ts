/** Joins the websocket to the stores. */

import { loadCatalogue } from "./catalogue";
import * as client from "./client";
import { EventStream } from "./events";
import { address } from "./http";
import * as live from "./live";
import * as queue from "./queue";
import { resultsGone } from "./results";
import type { ServerEvent } from "./types";

type WorkflowListener = (name: string, etag: string) => void;
const workflowListeners = new Set<WorkflowListener>();

/** Told when a saved recipe was written or removed, by whichever window. */
export function onWorkflow(listener: WorkflowListener): () => void {
  workflowListeners.add(listener);
  return () => workflowListeners.delete(listener);
}

let epoch = "";

function eventCame(event: ServerEvent): void {
  switch (event.kind) {
    case "snapshot":
      if (epoch !== "" && epoch !== event.epoch) {
        live.countAnew();
        void loadCatalogue();
      }
      epoch = event.epoch;
      queue.snapshotCame(event.queue, event.queued);
      for (const [job, nodes] of Object.entries(event.nodes)) {
        live.detailCame({ job: { id: Number(job) }, nodes, seq: event.seq });
      }
      void loadFollowed();
      break;
    case "resumed":
      break;
    case "job":
      queue.jobCame(event.job);
      break;
    case "job-removed":
      queue.jobsGone([event.job]);
      live.jobRemoved(event.job);
      resultsGone(event.job);
      break;
    case "jobs-removed":
      queue.jobsGone(event.jobs);
      for (const job of event.jobs) {
        live.jobRemoved(job);
        resultsGone(job);
      }
      break;
    case "queue":
      queue.queueCame(event.paused, event.queued);
      break;
    case "node":
      live.nodeChanged(event.job, event.node, event.status, event.seq);
      break;
    case "text":
      live.textPiece(event.job, event.node, event.piece);
      break;
    case "workflow":
      for (const listener of workflowListeners) listener(event.name, event.etag);
      break;
  }
}

/** Read what the server knows about a job: after a reload, or when its end was missed. */
export async function loadJob(id: number): Promise<void> {
  try {
    const detail = await client.job(id);
    queue.jobCame(detail.job, "answer");
    live.detailCame(detail);
  } catch {
    // The job was removed, or the connection is lost again: then the next snapshot comes here once more.
  }
}

async function loadFollowed(): Promise<void> {
  await Promise.all([...new Set(Object.values(live.useLive.getState().followed))].map(loadJob));
}

/** Follow a job in a tab, with what is known about it. */
export function followJob(tab: string, job: number): void {
  live.follow(tab, job);
  void loadJob(job);
}

let stream: EventStream | null = null;

/** Open the websocket; what it says goes to the stores. */
export function connect(): () => void {
  const url = new URL(address("/api/events"));
  url.protocol = url.protocol.replace("http", "ws");
  stream = new EventStream(
    { event: eventCame, preview: live.previewCame, connection: queue.connectionIs },
    { url: url.href },
  );
  stream.open();
  const wake = () => stream?.retry();
  window.addEventListener("online", wake);
  window.addEventListener("focus", wake);
  return () => {
    window.removeEventListener("online", wake);
    window.removeEventListener("focus", wake);
    stream?.close();
    stream = null;
  };
}

export const reconnect = (): void => stream?.retry();
