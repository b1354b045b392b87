/** Made from nodeflow/server/schema.py (until `python -m nodeflow.server.typescript` writes this file: by reading it). */

export type JobState = "queued" | "running" | "completed" | "failed" | "cancelled";
export type NodeState = "pending" | "running" | "done" | "cached" | "failed" | "blocked" | "cancelled";
export type Document = { [key: string]: unknown };

export interface ProblemItem { code: string; name: string; place: string; message: string; expected: string; got: string; hint: string; severity: "error" | "warning" }
export interface ProblemDocument { type: string; title: string; status: number; detail: string; problems: ProblemItem[] }
export interface InputPort { name: string; type: string; accepts: string[]; required: boolean; default: unknown; min: number | null; max: number | null; step: number | null; unit: string; choices: unknown[] | null; models: string; suffixes: string[]; widget: "" | "seed" | "multiline"; lazy: boolean; link_only: boolean; many: boolean; doc: string }
export interface OutputPort { name: string; type: string; doc: string }
export interface NodeType { op: string; name: string; version: number; title: string; category: string; summary: string; description: string; pack: string; inputs: InputPort[]; outputs: OutputPort[]; effects: boolean; deprecated: string | null; body: boolean; body_port: string }
export interface TypeInfo { name: string; colour: string; shape: "circle" | "square" | "diamond" | "triangle" | "hexagon" | "ring" }
export interface NodeTypes { types: TypeInfo[]; node_types: NodeType[]; failed: { [key: string]: string } }
export interface ModelFileInfo { folder: string; name: string; bytes: number; title: string; licence: string }
export interface WorkflowRequest { workflow: Document; targets: string[] | null }
export interface FormField { name: string; title: string; description: string; port: InputPort | null; value: unknown }
export interface FormOutput { name: string; type: string }
export interface Checked { problems: ProblemItem[]; digest: string; text: string; inputs: FormField[]; outputs: FormOutput[]; node_types: { [key: string]: NodeType } }
export interface PlannedStep { node: string; op: string; key: string; cached: boolean }
export interface Planned { steps: PlannedStep[]; cached: number }
export interface WorkflowInfo { name: string; title: string; description: string; etag: string; modified: number; preview: string }
export interface Draft { id: string; title: string; name: string; etag: string; workflow: Document; saved: boolean;
  job: number; modified: number }
export interface Imported { workflow: Document; kind: "recipe" | "picture" | "comfyui" | "crate"; report: string[]; problems: ProblemItem[] }
export interface Upload { name: string; digest: string; bytes: number; media_type: string; width: number; height: number; modified: number }
export interface ArtefactInfo { id: number; job: number; output: string; node: string; index: number; name: string; digest: string; media_type: string; bytes: number; width: number; height: number; created: number }
export interface ArtefactPage { items: ArtefactInfo[]; before: number | null }
export interface JobRequest { workflow: Document; inputs: { [key: string]: unknown }; sweep: { [key: string]: unknown }[]; targets: string[] | null; priority: number }
export interface Job { id: number; state: JobState; title: string; priority: number; position: number; attempt: number; sweep: string; inputs: { [key: string]: unknown }; digest: string; created: number; started: number | null; finished: number | null; steps: number; finished_steps: number; cached_steps: number; error: string; run: string; artefacts: ArtefactInfo[] }
export interface NodeStatus { state: NodeState; done: number; total: number; text: string; seconds: number; message: string; warnings: string[] }
export interface JobDetail { job: Job; workflow: Document; nodes: { [key: string]: NodeStatus }; seq: number }
export interface JobPage { items: Job[]; before: number | null }
export interface Accepted { jobs: Job[]; sweep: string }
export interface JobChange { priority: number | null; before: number | null }
export interface Queue { paused: boolean; queued: number; running: Job[] }
export interface Cleared { cancelled: number }
export interface CompareRequest { a: number; b: number }
export interface Compared { recipes: string[]; results: string[] }
export interface System { version: string; device: string; numeric: string; worker: "idle" | "running" | "starting" | "dead"; memory_bytes: number; worker_memory_bytes: number; cache_bytes: number; cache_budget: number; weights: string[]; read_only: boolean }
export interface Health { status: "ok" }
export interface Snapshot { kind: "snapshot"; seq: number; epoch: string; queue: Queue; queued: Job[]; nodes: { [key: string]: { [key: string]: NodeStatus } } }
export interface Resumed { kind: "resumed"; seq: number; epoch: string }
export interface JobChanged { kind: "job"; seq: number; job: Job }
export interface JobRemoved { kind: "job-removed"; seq: number; job: number }
export interface QueueChanged { kind: "queue"; seq: number; paused: boolean; queued: number }
export interface NodeChanged { kind: "node"; seq: number; job: number; node: string; status: NodeStatus }
export interface NodeTextPiece { kind: "text"; seq: number; job: number; node: string; piece: string }
export interface WorkflowChanged { kind: "workflow"; seq: number; name: string; etag: string }
export type ServerEvent = Snapshot | Resumed | JobChanged | JobRemoved | QueueChanged | NodeChanged | NodeTextPiece | WorkflowChanged;
