/** Made from nodeflow/server/schema.py by `python -m nodeflow.server.typescript`. Do not edit. */

export type Document = { [key: string]: unknown };

export type JobState = "queued" | "running" | "completed" | "failed" | "cancelled";

export type NodeState = "pending" | "running" | "done" | "cached" | "failed" | "blocked" | "cancelled";

/** One thing that is wrong with a recipe: see docs/problems.md. */
export interface ProblemItem {
  code: string;
  name: string;
  place: string;
  message: string;
  expected: string;
  got: string;
  hint: string;
  severity: "error" | "warning";
}

/** An error (RFC 9457, `application/problem+json`). */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  problems: ProblemItem[];
}

/** An input of an op. `accepts`: the output types that may be linked to it, all of them by name. */
export interface InputPort {
  name: string;
  type: string;
  accepts: string[];
  required: boolean;
  default: unknown;
  min: number | null;
  max: number | null;
  step: number | null;
  unit: string;
  choices: unknown[] | null;
  models: string;
  suffixes: string[];
  widget: "" | "seed" | "multiline";
  lazy: boolean;
  link_only: boolean;
  /** Takes several links, in order. */
  many: boolean;
  doc: string;
}

export interface OutputPort {
  name: string;
  type: string;
  doc: string;
}

/** An op, as the palette and the node views show it. */
export interface NodeType {
  op: string;
  name: string;
  version: number;
  title: string;
  category: string;
  summary: string;
  description: string;
  pack: string;
  inputs: InputPort[];
  outputs: OutputPort[];
  effects: boolean;
  deprecated: string | null;
  /** Runs a sub-workflow of the recipe's `definitions`, whose declared inputs become ports of the node. */
  body: boolean;
  /** The input whose value is the name of that sub-workflow. */
  body_port: string;
}

/** How a type is drawn: a colour of the palette by name, and a shape, for those who see colours differently. */
export interface TypeInfo {
  name: string;
  colour: string;
  shape: "circle" | "square" | "diamond" | "triangle" | "hexagon" | "ring";
}

export interface NodeTypes {
  types: TypeInfo[];
  node_types: NodeType[];
  /** Packs that could not be loaded, with the reason. */
  failed: { [key: string]: string };
}

/** A model that nodes can load, by the name that a recipe writes. */
export interface ModelFileInfo {
  folder: string;
  name: string;
  bytes: number;
  title: string;
  licence: string;
}

export interface WorkflowRequest {
  workflow: { [key: string]: unknown };
  targets: string[] | null;
}

/** A declared input of a recipe: the port it leads to, and the value it has now. */
export interface FormField {
  name: string;
  title: string;
  description: string;
  port: InputPort | null;
  value: unknown;
}

export interface FormOutput {
  name: string;
  type: string;
}

/** `text`: the recipe in its saved form (what PUT would write); `digest`: of what it computes. */
export interface Checked {
  problems: ProblemItem[];
  digest: string;
  text: string;
  inputs: FormField[];
  outputs: FormOutput[];
  /** By node id: the ports of nodes whose ports depend on the recipe (sub-workflows, control flow). */
  node_types: { [key: string]: NodeType };
}

/** node: its id, within a sub-workflow `node/inner`; a mapped node has several steps. */
export interface PlannedStep {
  node: string;
  op: string;
  key: string;
  cached: boolean;
}

export interface Planned {
  steps: PlannedStep[];
  cached: number;
}

/** A saved recipe, or a template. */
export interface WorkflowInfo {
  name: string;
  title: string;
  description: string;
  etag: string;
  modified: number;
  /** Address of a picture that it makes, if there is one. */
  preview: string;
}

/** What an open tab holds. `name`: the saved recipe it was opened from, `etag`: the version of that. */
export interface Draft {
  id: string;
  title: string;
  name: string;
  etag: string;
  workflow: { [key: string]: unknown };
  saved: boolean;
  /** The latest job submitted from the tab, which it goes on following after a reload; 0: none. */
  job: number;
  modified: number;
}

/** A dropped file made a recipe. `report`: one line for each thing that was changed or could not be converted. */
export interface Imported {
  workflow: { [key: string]: unknown };
  kind: "recipe" | "picture" | "comfyui" | "crate";
  report: string[];
  problems: ProblemItem[];
}

/** A file that recipes may name (`name` is the value to write at the port). */
export interface Upload {
  name: string;
  digest: string;
  bytes: number;
  media_type: string;
  width: number;
  height: number;
  modified: number;
}

/**
 * A result: its bytes are at /api/artefacts/{digest}, a small WebP at /api/artefacts/{digest}/thumbnail.
 *
 * output: the declared output; of what a node saves or shows, its step. node: the node that made it, with the nodes
 * that lead to it if it is in a subgraph: `sub/save`.
 */
export interface ArtefactInfo {
  id: number;
  job: number;
  output: string;
  node: string;
  index: number;
  name: string;
  digest: string;
  media_type: string;
  bytes: number;
  width: number;
  height: number;
  created: number;
}

export interface ArtefactPage {
  items: ArtefactInfo[];
  /** Ask for the next page with this; none: that was the last. */
  before: number | null;
}

/**
 * A recipe to run.
 *
 * inputs: values of declared inputs, instead of those written in it. sweep: one job for each of these sets of inputs.
 * priority: higher runs first.
 */
export interface JobRequest {
  workflow: { [key: string]: unknown };
  inputs: { [key: string]: unknown };
  sweep: { [key: string]: unknown }[];
  targets: string[] | null;
  priority: number;
}

/** A job without its recipe: what lists show and events carry. */
export interface Job {
  id: number;
  state: JobState;
  title: string;
  priority: number;
  position: number;
  attempt: number;
  sweep: string;
  inputs: { [key: string]: unknown };
  digest: string;
  created: number;
  started: number | null;
  finished: number | null;
  steps: number;
  finished_steps: number;
  cached_steps: number;
  error: string;
  /** The run's id in the records (`nodeflow runs show`). */
  run: string;
  artefacts: ArtefactInfo[];
}

/** How far a node of a job is. */
export interface NodeStatus {
  state: NodeState;
  done: number;
  total: number;
  text: string;
  seconds: number;
  message: string;
  warnings: string[];
}

export interface JobDetail {
  job: Job;
  workflow: { [key: string]: unknown };
  nodes: { [key: string]: NodeStatus };
  /** All events up to this one are in here. */
  seq: number;
}

export interface JobPage {
  items: Job[];
  before: number | null;
}

export interface Accepted {
  jobs: Job[];
  sweep: string;
}

/** before: the queued job to stand in front of; 0: the end of its priority. */
export interface JobChange {
  priority: number | null;
  before: number | null;
}

export interface Queue {
  paused: boolean;
  queued: number;
  running: Job[];
}

export interface Cleared {
  cancelled: number;
}

/** Jobs to forget: those that ended in one of these states, and not within the last `older_than` seconds. */
export interface HistoryClear {
  states: ("completed" | "failed" | "cancelled")[];
  older_than: number;
}

export interface Forgotten {
  jobs: number;
}

export interface CompareRequest {
  a: number;
  b: number;
}

/** What differs between two jobs: recipes (lines in words), and results that can be compared. */
export interface Compared {
  recipes: string[];
  results: string[];
}

export interface System {
  version: string;
  device: string;
  numeric: string;
  worker: "idle" | "running" | "starting" | "dead";
  memory_bytes: number;
  worker_memory_bytes: number;
  cache_bytes: number;
  cache_budget: number;
  weights: string[];
  read_only: boolean;
}

/** The copies that were made: paths on the server's machine. */
export interface Backup {
  files: string[];
}

export interface Health {
  status: "ok";
}

/** Opens the canvas in a browser, once, for as long as its code is good. */
export interface LoginLink {
  url: string;
  seconds: number;
}

/** First frame, when a replay is not possible: everything as it is now. */
export interface Snapshot {
  kind: "snapshot";
  seq: number;
  epoch: string;
  queue: Queue;
  queued: Job[];
  nodes: { [key: string]: { [key: string]: NodeStatus } };
}

/** First frame, when the missed events follow. */
export interface Resumed {
  kind: "resumed";
  seq: number;
  epoch: string;
}

export interface JobChanged {
  kind: "job";
  seq: number;
  job: Job;
}

export interface JobRemoved {
  kind: "job-removed";
  seq: number;
  job: number;
}

/** Many at once: the history was cleared. */
export interface JobsRemoved {
  kind: "jobs-removed";
  seq: number;
  jobs: number[];
}

export interface QueueChanged {
  kind: "queue";
  seq: number;
  paused: boolean;
  queued: number;
}

/** A node of a job started, went on, finished or failed; `status` is all there is to know about it now. */
export interface NodeChanged {
  kind: "node";
  seq: number;
  job: number;
  node: string;
  status: NodeStatus;
}

/** A piece of text that a node is writing. */
export interface NodeTextPiece {
  kind: "text";
  seq: number;
  job: number;
  node: string;
  piece: string;
}

/** A saved recipe was written (by whichever window), or removed: then `etag` is empty. */
export interface WorkflowChanged {
  kind: "workflow";
  seq: number;
  name: string;
  etag: string;
}

export type ServerEvent = Snapshot | Resumed | JobChanged | JobRemoved | JobsRemoved | QueueChanged | NodeChanged | NodeTextPiece | WorkflowChanged;
