"""What goes over HTTP and the websocket: one pydantic model for each body, answer and event.

OpenAPI (`openapi`) and the canvas's TypeScript types (`web/src/api/types.ts`) are made from these, so a name is the
same in Python, JSON and TypeScript. Times are seconds since 1970; digests are 64 hexadecimal digits; a recipe
(`workflow`) is the document itself, as it is saved.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_NUMBER = 2**53
JobId = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Document = dict[str, Any]
JobState = Literal["queued", "running", "completed", "failed", "cancelled"]
NodeState = Literal["pending", "running", "done", "cached", "failed", "blocked", "cancelled"]


class Model(BaseModel):
    """Unknown keys are refused; keys with defaults are always there in answers (so unions narrow in TypeScript)."""

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=True, use_attribute_docstrings=True, extra="forbid"
    )


# --- problems ---------------------------------------------------------------------------------------------------------


class ProblemItem(Model):
    """One thing that is wrong with a recipe: see docs/problems.md."""

    code: str
    name: str
    place: str = ""
    message: str
    expected: str = ""
    got: str = ""
    hint: str = ""
    severity: Literal["error", "warning"] = "error"


class ProblemDocument(Model):
    """An error (RFC 9457, `application/problem+json`)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    problems: list[ProblemItem] = []


# --- the catalogue ----------------------------------------------------------------------------------------------------


class InputPort(Model):
    """An input of an op. `accepts`: the output types that may be linked to it, all of them by name."""

    name: str
    type: str
    accepts: list[str]
    required: bool
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    unit: str = ""
    choices: list[Any] | None = None
    models: str = ""
    suffixes: list[str] = []
    widget: Literal["", "seed", "multiline"] = ""
    lazy: bool = False
    link_only: bool = False
    many: bool = False
    """Takes several links, in order."""
    doc: str = ""


class OutputPort(Model):
    name: str
    type: str
    doc: str = ""


class NodeType(Model):
    """An op, as the palette and the node views show it."""

    op: str
    name: str
    version: int
    title: str
    category: str
    summary: str
    description: str
    pack: str
    inputs: list[InputPort]
    outputs: list[OutputPort]
    effects: bool = False
    deprecated: str | None = None
    body: bool = False
    """Runs a sub-workflow of the recipe's `definitions`, whose declared inputs become ports of the node."""
    body_port: str = ""
    """The input whose value is the name of that sub-workflow."""


class TypeInfo(Model):
    """How a type is drawn: a colour of the palette by name, and a shape, for those who see colours differently."""

    name: str
    colour: str
    shape: Literal["circle", "square", "diamond", "triangle", "hexagon", "ring"]


class NodeTypes(Model):
    types: list[TypeInfo]
    node_types: list[NodeType]
    failed: dict[str, str] = {}
    """Packs that could not be loaded, with the reason."""


class ModelFileInfo(Model):
    """A model that nodes can load, by the name that a recipe writes."""

    folder: str
    name: str
    bytes: int
    title: str = ""
    licence: str = ""


# --- recipes ----------------------------------------------------------------------------------------------------------


class WorkflowRequest(Model):
    workflow: Document
    targets: list[str] | None = None


class FormField(Model):
    """A declared input of a recipe: the port it leads to, and the value it has now."""

    name: str
    title: str
    description: str
    port: InputPort | None
    value: Any = None


class FormOutput(Model):
    name: str
    type: str


class Checked(Model):
    """`text`: the recipe in its saved form (what PUT would write); `digest`: of what it computes."""

    problems: list[ProblemItem]
    digest: str = ""
    text: str = ""
    inputs: list[FormField] = []
    outputs: list[FormOutput] = []
    node_types: dict[str, NodeType] = {}
    """By node id: the ports of nodes whose ports depend on the recipe (sub-workflows, control flow)."""


class PlannedStep(Model):
    """node: its id, within a sub-workflow `node/inner`; a mapped node has several steps."""

    node: str
    op: str
    key: str
    cached: bool


class Planned(Model):
    steps: list[PlannedStep]
    cached: int


class WorkflowInfo(Model):
    """A saved recipe, or a template."""

    name: str
    title: str
    description: str = ""
    etag: str = ""
    modified: float = 0.0
    preview: str = ""
    """Address of a picture that it makes, if there is one."""


class Draft(Model):
    """What an open tab holds. `name`: the saved recipe it was opened from, `etag`: the version of that."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    title: str
    name: str = ""
    etag: str = ""
    workflow: Document
    saved: bool = False
    job: Annotated[int, Field(ge=0, le=MAX_NUMBER)] = 0
    """The latest job submitted from the tab, which it goes on following after a reload; 0: none."""
    modified: float = 0.0


class Imported(Model):
    """A dropped file made a recipe. `report`: one line for each thing that was changed or could not be converted."""

    workflow: Document
    kind: Literal["recipe", "picture", "comfyui", "crate"]
    report: list[str] = []
    problems: list[ProblemItem] = []


# --- files ------------------------------------------------------------------------------------------------------------


class Upload(Model):
    """A file that recipes may name (`name` is the value to write at the port)."""

    name: str
    digest: Digest
    bytes: int
    media_type: str
    width: int = 0
    height: int = 0
    modified: float = 0.0


class ArtefactInfo(Model):
    """A result: its bytes are at /api/artefacts/{digest}, a small WebP at /api/artefacts/{digest}/thumbnail.

    output: the declared output; of what a node saves or shows, its step. node: the node that made it, with the nodes
    that lead to it if it is in a subgraph: `sub/save`.
    """

    id: int
    job: JobId
    output: str
    node: str = ""
    index: int = 0
    name: str
    digest: Digest
    media_type: str
    bytes: int
    width: int = 0
    height: int = 0
    created: float = 0.0


class ArtefactPage(Model):
    items: list[ArtefactInfo]
    before: int | None = None
    """Ask for the next page with this; none: that was the last."""


# --- jobs -------------------------------------------------------------------------------------------------------------


class JobRequest(Model):
    """A recipe to run.

    inputs: values of declared inputs, instead of those written in it. sweep: one job for each of these sets of inputs.
    priority: higher runs first.
    """

    workflow: Document
    inputs: dict[str, Any] = {}
    sweep: Annotated[list[dict[str, Any]], Field(max_length=10_000)] = []
    targets: list[str] | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0


class Job(Model):
    """A job without its recipe: what lists show and events carry."""

    id: JobId
    state: JobState
    title: str
    priority: int = 0
    position: float = 0.0
    attempt: int = 0
    sweep: str = ""
    inputs: dict[str, Any] = {}
    digest: str = ""
    created: float
    started: float | None = None
    finished: float | None = None
    steps: int = 0
    finished_steps: int = 0
    cached_steps: int = 0
    error: str = ""
    run: str = ""
    """The run's id in the records (`nodeflow runs show`)."""
    artefacts: list[ArtefactInfo] = []


class NodeStatus(Model):
    """How far a node of a job is."""

    state: NodeState
    done: int = 0
    total: int = 0
    text: str = ""
    seconds: float = 0.0
    message: str = ""
    warnings: list[str] = []


class JobDetail(Model):
    job: Job
    workflow: Document
    nodes: dict[str, NodeStatus] = {}
    seq: int = 0
    """All events up to this one are in here."""


class JobPage(Model):
    items: list[Job]
    before: int | None = None


class Accepted(Model):
    jobs: list[Job]
    sweep: str = ""


class JobChange(Model):
    """before: the queued job to stand in front of; 0: the end of its priority."""

    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    before: Annotated[int, Field(ge=0, le=MAX_NUMBER)] | None = None


class Queue(Model):
    paused: bool
    queued: int
    running: list[Job]


class Cleared(Model):
    cancelled: int


class HistoryClear(Model):
    """Jobs to forget: those that ended in one of these states, and not within the last `older_than` seconds."""

    states: Annotated[list[Literal["completed", "failed", "cancelled"]], Field(min_length=1)] = [
        "completed",
        "failed",
        "cancelled",
    ]
    older_than: Annotated[float, Field(ge=0, le=1e10)] = 0.0


class Forgotten(Model):
    jobs: int


class CompareRequest(Model):
    a: JobId
    b: JobId


class Compared(Model):
    """What differs between two jobs: recipes (lines in words), and results that can be compared."""

    recipes: list[str]
    results: list[str]


class System(Model):
    version: str
    device: str
    numeric: str
    worker: Literal["idle", "running", "starting", "dead"]
    memory_bytes: int
    worker_memory_bytes: int
    cache_bytes: int
    cache_budget: int
    weights: list[str] = []
    read_only: bool = False


class Backup(Model):
    """The copies that were made: paths on the server's machine."""

    files: list[str]


class Health(Model):
    status: Literal["ok"] = "ok"


class LoginLink(Model):
    """Opens the canvas in a browser, once, for as long as its code is good."""

    url: str
    seconds: float


# --- events (text frames of the websocket) ---------------------------------------------------------------------------


class Snapshot(Model):
    """First frame, when a replay is not possible: everything as it is now."""

    kind: Literal["snapshot"] = "snapshot"
    seq: int
    epoch: str
    queue: Queue
    queued: list[Job] = []
    nodes: dict[int, dict[str, NodeStatus]] = {}


class Resumed(Model):
    """First frame, when the missed events follow."""

    kind: Literal["resumed"] = "resumed"
    seq: int
    epoch: str


class JobChanged(Model):
    kind: Literal["job"] = "job"
    seq: int
    job: Job


class JobRemoved(Model):
    kind: Literal["job-removed"] = "job-removed"
    seq: int
    job: JobId


class JobsRemoved(Model):
    """Many at once: the history was cleared."""

    kind: Literal["jobs-removed"] = "jobs-removed"
    seq: int
    jobs: list[JobId]


class QueueChanged(Model):
    kind: Literal["queue"] = "queue"
    seq: int
    paused: bool
    queued: int


class NodeChanged(Model):
    """A node of a job started, went on, finished or failed; `status` is all there is to know about it now."""

    kind: Literal["node"] = "node"
    seq: int
    job: JobId
    node: str
    status: NodeStatus


class NodeTextPiece(Model):
    """A piece of text that a node is writing."""

    kind: Literal["text"] = "text"
    seq: int
    job: JobId
    node: str
    piece: str


class WorkflowChanged(Model):
    """A saved recipe was written (by whichever window), or removed: then `etag` is empty."""

    kind: Literal["workflow"] = "workflow"
    seq: int
    name: str
    etag: str


ServerEvent = Annotated[
    Snapshot
    | Resumed
    | JobChanged
    | JobRemoved
    | JobsRemoved
    | QueueChanged
    | NodeChanged
    | NodeTextPiece
    | WorkflowChanged,
    Field(discriminator="kind"),
]
