/** Each route of the server that the canvas uses, by name. */

import { address, get, parsed, post, query, request, send } from "./http";
import type {
  Accepted,
  ArtefactPage,
  Checked,
  Cleared,
  Compared,
  Document,
  Draft,
  Forgotten,
  HistoryClear,
  Imported,
  Job,
  JobChange,
  JobDetail,
  JobPage,
  JobRequest,
  Queue,
  System,
  Upload,
  WorkflowInfo,
} from "./types";

const name = encodeURIComponent;

export const artefactAddress = (digest: string): string => address(`/api/artefacts/${digest}`);
export const thumbnailAddress = (digest: string): string => address(`/api/artefacts/${digest}/thumbnail`);
export const downloadAddress = (digest: string): string => address(`/api/artefacts/${digest}?download=1`);
export const uploadAddress = (upload: string): string => address(`/api/uploads/${name(upload)}`);

export const check = (workflow: Document, signal?: AbortSignal) =>
  post<Checked>("/api/check", { workflow, targets: null }, signal);
export const importFile = (bytes: Blob) => request<Imported>("POST", "/api/import", { bytes });

export const templates = () => get<WorkflowInfo[]>("/api/templates");
export const template = (id: string) => text(`/api/templates/${name(id)}`);
export const workflows = () => get<WorkflowInfo[]>("/api/workflows");

/** A document's saved bytes and the version of them. */
export async function text(path: string): Promise<{ text: string; etag: string }> {
  const response = await send("GET", path);
  return { text: await response.text(), etag: response.headers.get("etag") ?? "" };
}
export const workflow = (id: string) => text(`/api/workflows/${name(id)}`);

/** Write a named recipe. `etag`: the version that it replaces; empty: there must be none yet. */
export async function saveWorkflow(id: string, document: Document, etag: string) {
  const headers: Record<string, string> = etag === "" ? { "If-None-Match": "*" } : { "If-Match": quoted(etag) };
  const response = await send("PUT", `/api/workflows/${name(id)}`, { body: document, headers });
  const info = parsed<WorkflowInfo>(await response.text());
  return { info, etag: response.headers.get("etag") ?? info.etag };
}
export const removeWorkflow = (id: string, etag: string) =>
  request<void>("DELETE", `/api/workflows/${name(id)}`, { headers: { "If-Match": quoted(etag) } });

/** An etag as headers want it, whichever way it came. */
export const quoted = (etag: string): string => (/^(W\/)?"/.test(etag) ? etag : `"${etag}"`);

export const drafts = () => get<Draft[]>("/api/drafts");
export const putDraft = (draft: Draft, keepalive = false) =>
  request<Draft>("PUT", `/api/drafts/${draft.id}`, { body: draft, keepalive });
export const removeDraft = (id: string, keepalive = false) =>
  request<void>("DELETE", `/api/drafts/${id}`, { keepalive });

export const upload = (file: Blob, as: string) =>
  request<Upload>("POST", `/api/uploads${query({ name: as })}`, { bytes: file });
export const uploads = () => get<Upload[]>("/api/uploads");

export const artefacts = (before: number | null, limit = 60, job?: number) =>
  get<ArtefactPage>(`/api/artefacts${query({ before, limit, job })}`);
export const jobs = (before: number | null, limit = 30, state?: string) =>
  get<JobPage>(`/api/jobs${query({ before, limit, state })}`);
export const job = (id: number) => get<JobDetail>(`/api/jobs/${id}`);
export const jobWorkflow = (id: number) => text(`/api/jobs/${id}/workflow`);
export const submit = (body: JobRequest) => post<Accepted>("/api/jobs", body);
export const cancel = (id: number) => post<Job>(`/api/jobs/${id}/cancel`);
export const retry = (id: number) => post<Job>(`/api/jobs/${id}/retry`);
export const change = (id: number, body: Partial<JobChange>) =>
  request<Job>("PATCH", `/api/jobs/${id}`, { body: { priority: null, before: null, ...body } });
export const removeJob = (id: number) => request<void>("DELETE", `/api/jobs/${id}`);
export const clearHistory = (states: HistoryClear["states"], olderThan = 0) =>
  post<Forgotten>("/api/jobs/clear", { states, older_than: olderThan });

export const queue = () => get<Queue>("/api/queue");
export const pause = () => post<Queue>("/api/queue/pause");
export const resume = () => post<Queue>("/api/queue/resume");
export const clear = (running: boolean) => post<Cleared>(`/api/queue/clear${running ? "?running=1" : ""}`);
export const compare = (a: number, b: number) => post<Compared>("/api/compare", { a, b });
export const system = () => get<System>("/api/system");
