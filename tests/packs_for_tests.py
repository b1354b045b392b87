"""Trivial nodes, and short ways to write recipes of them, plan them and run them.

n("add", a=1, b="@x.value")     a node of op t/add@1 with a value and a link
recipe({"x": n("number", value=1), ...}, outputs={"sum": "y.value"})
run(recipe(...)).value("sum")
"""

from __future__ import annotations

import enum
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from nodeflow.annotations import Body, Choices, InputFile, ModelFile, Range, Seed
from nodeflow.executor import CACHED, DONE, STATES, Executor, Outcome, Outputs
from nodeflow.files import Files
from nodeflow.op import Context, Op, node
from nodeflow.planner import Planner
from nodeflow.problems import Problem, ProblemsError
from nodeflow.registry import Catalogue, Pack, make_catalogue
from nodeflow.steps import Plan
from nodeflow.types import File, Image, Latent, Sampler
from nodeflow.workflow import Workflow

T = TypeVar("T")

CALLS: Counter[str] = Counter()
"""How often bodies ran, by what they were told to be called."""
_LOCK = threading.Lock()


def called(name: str) -> None:
    with _LOCK:
        CALLS[name] += 1


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Split(NamedTuple):
    low: int
    high: int


@node("t/number")
def number(value: int) -> int:
    """A whole number."""
    return value


@node("t/real")
def real(value: float = 1) -> float:
    """A number."""
    return value


@node("t/text")
def text(value: str = "") -> str:
    """A text."""
    return value


@node("t/add")
def add(a: int, b: int = 1) -> int:
    """Add.

    Args:
        a: one number.
        b: another.
    """
    return a + b


@node("t/split")
def split(value: int) -> Split:
    """Two numbers whose sum is `value`."""
    return Split(value // 2, value - value // 2)


@node("t/total")
def total(items: list[int]) -> int:
    """The sum."""
    return sum(items)


@node("t/listed")
def listed(count: int) -> list[int]:
    """0 .. count - 1; how long the list is, is known only while running."""
    return list(range(count))


@node("t/same")
def same(value: T) -> T:
    """What comes in goes out."""
    return value


@node("t/anything")
def anything(value: Any) -> str:
    """Its repr."""
    return repr(value)


@node("t/options")
def options(
    amount: Annotated[float, Range(0, 1)] = 0.5,
    speed: Literal["fast", "slow"] = "fast",
    colour: Colour = Colour.RED,
    seed: Seed = 0,
    flag: bool = False,
    note: str | None = None,
    maybe: Annotated[int, Range(0, 9)] | None = None,
    picked: Annotated[str, Choices(lambda: ["one", "two"])] = "one",
    hue: Colour | None = None,
) -> str:
    """Every kind of widget."""
    return repr((amount, speed, colour, seed, flag, note, maybe, picked, hue))


@node("t/read")
def read(file: Annotated[File, InputFile((".txt",))]) -> str:
    """The digest of a file."""
    return file.digest


@node("t/load")
def load(model: Annotated[File, ModelFile("checkpoints")]) -> str:
    """The digest of a model."""
    return model.digest


@node("t/picture")
def picture(value: float = 0.0) -> Image:
    """A tensor, as far as the engine looks."""
    return FakeTensor((1, 3, 2, 2), value)


@node("t/latent")
def latent(value: float = 0.0) -> Latent:
    """A structure with a tensor in it."""
    return Latent(FakeTensor((1, 4, 1, 1), value))


@node("t/brightness")
def brightness(image: Image) -> float:
    """The picture's one value."""
    return float(image.value)


@node("t/sampler")
def sampler(name: str) -> Sampler:
    """A structure with a dict in it."""
    return Sampler(name, {"eta": 1.0})


@node("t/blend")
def blend(image: Image, other: Image, amount: float = 0.5) -> Image:
    """For bypassing: two pictures in, one out."""
    return FakeTensor((1, 3, 2, 2), image.value + amount * other.value)


@node("t/save", effects=True)
def save(value: int, name: str = "x") -> None:
    """Has effects and no output."""
    called(f"save {name} {value}")


@node("t/random", cacheable=False)
def random_() -> int:
    """Another number each time."""
    called("random")
    return CALLS["random"]


@node("t/old", deprecated="use t/number")
def old(value: int) -> int:
    """Deprecated."""
    return value


@node("t/switch", lazy=("on_true", "on_false"))
def switch(condition: bool, on_true: T, on_false: T) -> T:
    """Only the chosen one is computed."""
    called("switch")
    return on_true() if condition else on_false()  # type: ignore[operator]


@node("t/truth")
def truth(value: bool) -> bool:
    """A boolean."""
    return value


@node("t/work")
def work(a: int = 0, b: int = 0, c: int = 0, name: str = "", seconds: float = 0.0, fail: bool = False) -> int:
    """Counts its calls, takes its time, may fail."""
    called(f"work {name}")
    time.sleep(seconds)
    if fail:
        raise ValueError(f"{name} was told to fail")
    return a + b + c + 1


@node("t/device", device=True)
def device(a: int = 0, seconds: float = 0.0) -> int:
    """Runs in the accelerator's lane; notes if two do at once."""
    with _LOCK:
        CALLS["on the device"] += 1
        CALLS["at once on the device"] = max(CALLS["at once on the device"], CALLS["on the device"])
    time.sleep(seconds)
    with _LOCK:
        CALLS["on the device"] -= 1
    return a + 1


@node("t/each_turn")
def each_turn(body: Body, count: int, inputs: dict, *, ctx: Context) -> dict:  # type: ignore[type-arg]
    """Runs its body again and again on what it gave."""
    state = dict(inputs)
    for _ in range(count):
        state.update(ctx.run(body, state))
    return state


class FakeTensor:
    """As much of a float tensor as the engine looks at: shape, dtype, storage, and a count of writes."""

    class dtype:
        is_floating_point = True

    def __init__(self, shape: tuple[int, ...], value: float) -> None:
        self.shape, self.value, self._version = shape, value, 0

    def untyped_storage(self) -> FakeTensor:
        return self

    def add_(self, value: float) -> None:
        self.value += value
        self._version += 1

    def clone(self) -> FakeTensor:
        return FakeTensor(self.shape, self.value)


ALL = tuple(value for value in list(globals().values()) if isinstance(value, Op))


# --- recipes --------------------------------------------------------------------------------------------------------


def n(op: str, **ports: Any) -> dict[str, Any]:
    """A node as JSON. `"@node.output"` is a link, so is a list of such; `each`, `product`, `mode` are themselves."""
    document: dict[str, Any] = {"op": op if ":" in op or "/" in op else f"t/{op}@1", "values": {}, "links": {}}
    for port, value in ports.items():
        if port in ("each", "product", "mode", "title"):
            document[port] = value
        elif isinstance(value, str) and value.startswith("@"):
            document["links"][port] = value[1:]
        elif isinstance(value, list) and value and all(isinstance(v, str) and v.startswith("@") for v in value):
            document["links"][port] = [v[1:] for v in value]
        else:
            document["values"][port] = value
    return document


def recipe(nodes: Mapping[str, Any], outputs: Mapping[str, str] | None = None, **rest: Any) -> Workflow:
    return Workflow.from_json({"format": "nodeflow/1", "nodes": dict(nodes), "outputs": dict(outputs or {}), **rest})


def definition(nodes: Mapping[str, Any], outputs: Mapping[str, str], **inputs: str | list[str]) -> dict[str, Any]:
    """A sub-workflow as JSON."""
    to = {name: {"to": [target] if isinstance(target, str) else target} for name, target in inputs.items()}
    return {"nodes": dict(nodes), "outputs": dict(outputs), "inputs": to}


def catalogue(*ops: Op, name: str = "t") -> Catalogue:
    every = {op.name: op for op in (*ALL, *ops)}
    return make_catalogue([Pack(name, "packs_for_tests", ops=every)])


def planner(*ops: Op, files: Files | None = None, numeric: str = "cpu") -> Planner:
    return Planner(catalogue(*ops), files or Files(), numeric)


def problems(workflow: Workflow, *ops: Op, files: Files | None = None) -> list[Problem]:
    """What the rules say."""
    return planner(*ops, files=files).check(workflow).problems


def refused(action: Callable[[], object]) -> list[Problem]:
    """The problems that an action raises."""
    try:
        action()
    except ProblemsError as error:
        return list(error.problems)
    raise AssertionError("it was not refused")


def keys(workflow: Workflow, *ops: Op, **options: Any) -> dict[str, str]:
    """Keys by step id."""
    return {step.id: step.key for step in planner(*ops, **options).plan(workflow).steps}


# --- runs -----------------------------------------------------------------------------------------------------------


class Memory:
    """Results in a dict, as the cache keeps them; `bad` keys are listed but cannot be read."""

    def __init__(self) -> None:
        self.kept: dict[str, Outputs] = {}
        self.bad: set[str] = set()

    def lookup(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if key in self.kept or key in self.bad}

    def get(self, key: str) -> Outputs | None:
        return None if key in self.bad else self.kept.get(key)

    def put(self, key: str, outputs: Outputs, cost_s: float, persist: bool) -> None:
        self.bad.discard(key)
        self.kept[key] = outputs


@dataclass
class Ran:
    """A finished run, with its events."""

    plan: Plan
    outcome: Outcome
    events: list[Any]

    @property
    def state(self) -> str:
        return self.outcome.state

    @property
    def states(self) -> dict[str, str]:
        """State by step id."""
        return {step.id: STATES[state] for step, state in zip(self.plan.steps, self.outcome.states, strict=True)}

    def value(self, name: str) -> Any:
        return self.outcome.output(self.plan.outputs[name])

    @property
    def values(self) -> dict[str, Any]:
        """The outputs that were computed."""
        done = {i for i, state in enumerate(self.outcome.states) if state in (DONE, CACHED)}
        wanted = {k: s for k, s in self.plan.outputs.items() if all(r.step in done for r in _refs(s))}
        return {name: self.value(name) for name in wanted}

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def _refs(source: Any) -> list[Any]:
    from nodeflow.steps import refs

    return list(refs(source))


def run(workflow: Workflow, *ops: Op, results: Memory | None = None, targets: Any = None, **options: Any) -> Ran:
    """Check, plan and run. Options of the executor (`deadline`, `workers`) or of the run (`cancel`, ...)."""
    own = {k: options.pop(k) for k in ("deadline", "workers", "device_gate") if k in options}
    made = planner(*ops, files=options.pop("files", None))
    plan = made.plan(workflow, targets=targets)
    events: list[Any] = []
    options.setdefault("on_event", events.append)
    outcome = Executor(made, results or Memory(), **own).run(plan, **options)
    return Ran(plan, outcome, events)
