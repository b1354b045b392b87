/** The server's HTTP API: typed requests; an answer that says no becomes an `ApiError` with its problems. */

import { readJson, writeJson } from "../model/json";
import type { ProblemDocument, ProblemItem } from "./types";

/** Relative to the page, so that the canvas also works below a sub-path. */
export const address = (path: string): string => new URL(path.replace(/^\//, ""), document.baseURI).href;

/** The server said no (RFC 9457). `status` 0: it could not be reached. */
export class ApiError extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly problems: readonly ProblemItem[];

  constructor(problem: Pick<ProblemDocument, "status" | "title"> & Partial<ProblemDocument>) {
    super(problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
    this.name = "ApiError";
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail ?? "";
    this.problems = problem.problems ?? [];
  }

  /** The server is not there, as opposed to: it refused. */
  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

export interface RequestOptions {
  body?: unknown;
  /** Sent as it is, as `application/octet-stream`. */
  bytes?: Blob | ArrayBuffer;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Lets the request outlive the page (at most 64 KB). */
  keepalive?: boolean;
}

async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  if ((response.headers.get("content-type") ?? "").includes("json")) {
    try {
      const found = parsed<Partial<ProblemDocument>>(text);
      const title = typeof found.title === "string" ? found.title : response.statusText;
      return new ApiError({ ...found, title: title || `HTTP ${response.status}`, status: response.status });
    } catch {
      // Not JSON after all: what the status says must do.
    }
  }
  return new ApiError({ title: response.statusText || `HTTP ${response.status}`, status: response.status });
}

type Listener = (error: ApiError) => void;
const refused = new Set<Listener>();

/** Told when the server no longer knows this browser (401). */
export function onSignedOut(listener: Listener): () => void {
  refused.add(listener);
  return () => refused.delete(listener);
}

/** Send a request; the answer as it is. */
export async function send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  let body: BodyInit | undefined;
  if (options.bytes !== undefined) {
    headers["Content-Type"] = "application/octet-stream";
    body = options.bytes;
  } else if (method !== "GET" && method !== "DELETE") {
    headers["Content-Type"] = "application/json";
    body = writeJson(options.body ?? {}, 0);
  }
  let response: Response;
  try {
    response = await fetch(address(path), {
      method,
      headers,
      body,
      signal: options.signal,
      keepalive: options.keepalive,
      credentials: "same-origin",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError({ title: "The server cannot be reached", status: 0, detail: "" });
  }
  if (response.ok || response.status === 304) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) for (const listener of refused) listener(problem);
  throw problem;
}

/** An answer's text as what the contract says it is. */
export const parsed = <T>(text: string): T => readJson(text) as unknown as T;

async function json<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T;
  return parsed<T>(await response.text());
}

/** Send a request; the answer as parsed JSON. */
export async function request<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
  return json<T>(await send(method, path, options));
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => request<T>("GET", path, { signal });
export const post = <T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> =>
  request<T>("POST", path, { body, signal });

/** `?a=1&b=2` of what is defined. */
export function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const found = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  if (found.length === 0) return "";
  return `?${new URLSearchParams(found.map(([key, value]) => [key, String(value)]))}`;
}

/** Say an error in words. */
export function inWords(error: unknown): string {
  if (error instanceof ApiError) return error.detail ? `${error.title}: ${error.detail}` : error.title;
  return error instanceof Error ? error.message : String(error);
}
