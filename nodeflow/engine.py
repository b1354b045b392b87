"""The engine: everything a run needs, put together from the settings. One a process is enough.

Clients (the Python API, the CLI, the server) talk to this; they hold no logic of their own.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nodeflow.cache import BadBlob, BlobStore, Cache, CacheWarning
from nodeflow.errors import NodeflowError
from nodeflow.events import Event
from nodeflow.executor import CACHED, DONE, DeviceGate, Executor, NodeFailure, NoResults, Outcome
from nodeflow.export import export
from nodeflow.filehash import FileDigests
from nodeflow.files import Files
from nodeflow.numeric import NumericClass, chosen_threads, numeric_class, physical_cores, resolve_device
from nodeflow.planner import Planner, with_exports
from nodeflow.publish import Published, Publisher, artefacts_in
from nodeflow.record import RecordStore
from nodeflow.recorder import Recorder, versions
from nodeflow.registry import Catalogue, installed
from nodeflow.rules import Checked
from nodeflow.settings import Settings
from nodeflow.steps import Plan
from nodeflow.types import Artefact
from nodeflow.weights import WeightsPool
from nodeflow.workflow import Workflow


class RunFailed(NodeflowError):
    """Nodes failed. `run` holds what was finished; `failures` says which nodes, with what, and why."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.failures = run.failures
        super().__init__("\n".join(map(str, run.failures)))


@dataclass
class Run:
    """A finished run."""

    outcome: Outcome
    files: dict[str, list[Path]] = field(default_factory=dict)
    published: list[Published] = field(default_factory=list)
    shown: list[tuple[str, Artefact]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.outcome.run

    @property
    def state(self) -> str:
        """ "completed", "failed" or "cancelled"."""
        return self.outcome.state

    @property
    def failures(self) -> list[NodeFailure]:
        return self.outcome.failures

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """Values by output name, of the outputs that were computed."""
        found = {}
        for name, source in self.outcome.plan.outputs.items():
            try:
                found[name] = self.outcome.output(source)
            except KeyError:
                continue
        return found

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]

    @property
    def computed(self) -> int:
        return self.outcome.count(DONE)

    @property
    def cached(self) -> int:
        return self.outcome.count(CACHED)


FREE_FLOOR = 1 << 30
"""Bytes that the cache leaves free on its disk."""


class KeptResults:
    """The cache, except that a result which names files counts only if the store still has them, whole.

    They are touched, so that no sweep takes them from the run that uses them.
    """

    def __init__(self, cache: Cache, store: BlobStore) -> None:
        self.cache = cache
        self.store = store
        self.lookup = cache.lookup
        self.put = cache.put

    def get(self, key: str) -> dict[str, Any] | None:
        outputs: dict[str, Any] | None = self.cache.get(key)
        try:
            for artefact in artefacts_in(outputs or {}):
                self.store.touch(artefact.digest)
                self.store.read(artefact.digest)
        except BadBlob:
            return None
        return outputs


class Engine:
    """Checks, plans and runs recipes with one set of settings.

    Args:
        settings: None: those of this process's environment.
        catalogue: None: the installed packs.
        cache: False: nothing is looked up or kept.
        working_folder: whether recipes may read files from the process's working folder (a server's is nobody's
            choice: there only the input roots count).
    """

    def __init__(
        self,
        settings: Settings | None = None,
        catalogue: Catalogue | None = None,
        *,
        cache: bool = True,
        working_folder: bool = True,
    ) -> None:
        self.settings = settings or Settings.load()
        self._catalogue = catalogue
        self._caching = cache
        self._working_folder = working_folder
        self.warnings: list[CacheWarning] = []
        self.device_gate = DeviceGate()

    # --- parts, made when first needed ---------------------------------------------------------------------------

    @cached_property
    def catalogue(self) -> Catalogue:
        return self._catalogue or installed()

    @cached_property
    def device(self) -> str:
        return resolve_device(self.settings.device)

    @cached_property
    def numeric(self) -> NumericClass:
        return numeric_class(self.device, chosen_threads(self.settings.threads))

    @cached_property
    def hashes(self) -> FileDigests:
        return FileDigests(self.settings.cache / "digests.db", self._warn)

    @cached_property
    def cache(self) -> Cache:
        settings = self.settings
        return Cache(
            settings.cache,
            ram_bytes=settings.ram_budget,
            disk_bytes=settings.disk_budget,
            free_floor_bytes=FREE_FLOOR,
            accelerator_bytes=0 if self.device == "cpu" else settings.device_cache_budget,
            warn=self.warnings.append,
        )

    @cached_property
    def weights(self) -> WeightsPool:
        return WeightsPool(
            self.settings.weights_budget,
            self.device,
            device_budget=self.settings.device_weights_budget,
            find_pack=self.catalogue.owner,
        )

    @cached_property
    def artefacts(self) -> BlobStore:
        return BlobStore(self.settings.home / "artefacts")

    @cached_property
    def records(self) -> RecordStore:
        return RecordStore(self.settings.home / "runs.db")

    def files(self, recipe: Path | None = None) -> Files:
        """Where the files of a recipe may lie: beside it, in the working folder, in the input roots."""
        beside = [recipe.resolve().parent] if recipe else []
        here = [Path.cwd()] if self._working_folder else []
        roots = [*beside, *here, *self.settings.input_roots]
        models = [self.settings.home / "models", *self.settings.model_folders, *self.catalogue.model_folders]
        return Files(tuple(models), tuple(dict.fromkeys(roots)), self.hashes.digest, self.settings.hub_cache)

    def planner(self, recipe: Path | None = None) -> Planner:
        return Planner(self.catalogue, self.files(recipe), str(self.numeric))

    # --- what clients do -----------------------------------------------------------------------------------------

    def check(self, workflow: Workflow, *, path: Path | None = None) -> Checked:
        """All problems of a recipe."""
        return self.planner(path).check(workflow)

    def plan(self, workflow: Workflow, *, targets: Iterable[str] | None = None, path: Path | None = None) -> Plan:
        """What a run would do.

        Raises:
            ProblemsError: with everything that is wrong.
        """
        return self.planner(path).plan(workflow, targets=targets)

    def run(
        self,
        workflow: Workflow,
        *,
        path: Path | None = None,
        targets: Iterable[str] | None = None,
        out: Path | None = None,
        values: bool = True,
        on_plan: Callable[[Plan], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
        cancel: threading.Event | None = None,
        fail_fast: bool = False,
        record: bool = True,
        lock: str = "",
        show: bool = False,
    ) -> Run:
        """Run a recipe to its end.

        Args:
            path: the recipe's file, if it has one: files it names may lie beside it.
            out: folder (or file) that declared outputs are written to; None: nothing is written but what nodes save.
            values: whether the outputs' values are wanted in memory.
            on_plan: called with the plan (exports included) before anything runs.
            lock: digest of the lock that the recipe was compared with; pictures carry it.
            show: keep what nodes show without saving it (`image/preview`); `Run.shown` has it.

        Raises:
            ProblemsError: if the recipe has problems. StoreError: if results cannot be written.
        """
        planner = self.planner(path)
        plan = planner.plan(workflow, targets=targets)
        exports: dict[str, int] = {}
        if out is not None:
            plan, exports = with_exports(plan, planner, export, values=values)
        known, seal = versions(self.catalogue), None
        if self.settings.certificate.name:
            from nodeflow.share.signing import sealing

            seal = sealing(self.settings, planner, plan)
        folder = out or self.settings.output
        publisher = Publisher(self.artefacts, folder, workflow, plan, exports, lock, known, seal, show)
        publisher.check_writable()
        if on_plan is not None:
            on_plan(plan)
        recorder = Recorder(self.records, self._warn) if record else None
        run_id = uuid.uuid4().hex
        if recorder is not None:
            recorder.begin(run_id, plan, workflow, self.catalogue)
        executor = Executor(
            planner,
            KeptResults(self.cache, self.artefacts) if self._caching else NoResults(),
            self.weights,
            self.artefacts,
            self.device,
            self.settings.deadline,
            workers=max(2, physical_cores()),
            device_gate=self.device_gate,
        )
        outcome = executor.run(
            plan, on_event=on_event, lifecycles=[publisher], cancel=cancel, fail_fast=fail_fast, run_id=run_id
        )
        try:
            files = publisher.publish()
        finally:  # what ran is on record also if the output folder is full or gone by now
            if recorder is not None:
                recorder.finish(outcome, publisher.published)
        return Run(outcome, files, publisher.published, publisher.shown)

    def _warn(self, message: str) -> None:
        self.warnings.append(CacheWarning("record", None, message))

    def close(self) -> None:
        """Write what is still to be written and let go of files. May be used again."""
        for name in ("cache", "records", "hashes"):
            if name in self.__dict__:
                getattr(self, name).close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
