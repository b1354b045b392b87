"""Language nodes in a run: text streams as events, and a second run reads what the first one wrote."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from nodeflow.engine import Engine
from nodeflow.events import Event, NodeText
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow

from .tiny import save_llama

#   model ──► write ──► count
#     └────► look
RECIPE = {
    "format": "nodeflow/1",
    "outputs": {"text": "write.text", "count": "count.value", "table": "look.table", "figure": "look.figure"},
    "nodes": {
        "model": {"op": "language/load_model@1", "values": {"model": "tiny"}},
        "write": {
            "op": "language/generate@1",
            "values": {"prompt": "a red", "max_tokens": 40, "seed": 3, "stop": ["zzz", "qqq"]},
            "links": {"model": "model.language_model"},
        },
        "count": {
            "op": "language/count_tokens@1",
            "links": {"model": "model.language_model", "text": "write.text"},
        },
        "look": {
            "op": "language/next_token_distribution@1",
            "values": {"prompt": "a red", "temperature": 1},
            "links": {"model": "model.language_model"},
        },
    },
}


def settings(folder: Path) -> Settings:
    return Settings(home=folder, cache=folder / "cache", output=folder / "out", model_folders=(folder / "models",))


def test_a_run_streams_text_and_is_read_from_the_cache_without_torch(tmp_path: Path) -> None:
    save_llama(tmp_path / "models" / "language_models" / "tiny")
    workflow = Workflow.from_json(RECIPE)
    events: list[Event] = []
    with Engine(settings(tmp_path)) as engine:
        done = engine.run(workflow, on_event=events.append)
    assert done.state == "completed", done.failures
    streamed = "".join(e.piece for e in events if isinstance(e, NodeText) and e.node == "write")
    assert streamed.strip() == done["text"]
    assert done["count"] > 1
    code = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from nodeflow.engine import Engine\n"
        "from nodeflow.settings import Settings\n"
        "from nodeflow.workflow import Workflow\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "settings = Settings(home=folder, cache=folder / 'cache', model_folders=(folder / 'models',))\n"
        f"with Engine(settings) as engine: done = engine.run(Workflow.from_json({RECIPE!r}))\n"
        "print(json.dumps([done.computed, done['text'], len(done['table'].rows), done['figure'].media]))\n"
        "print({'torch', 'transformers'} & set(sys.modules))\n"
    )
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    import json

    lines = again.stdout.splitlines()
    assert again.returncode == 0, again.stderr
    assert json.loads(lines[0]) == [0, done["text"], len(done["table"].rows), "image/png"]
    assert lines[1] == "set()"


def test_cancelling_a_run_stops_the_writing(tmp_path: Path) -> None:
    save_llama(tmp_path / "models" / "language_models" / "tiny")
    cancel, pieces = threading.Event(), list[str]()

    def notice(event: Event) -> None:
        if isinstance(event, NodeText):
            pieces.append(event.piece)
            cancel.set()

    with Engine(settings(tmp_path)) as engine:
        done = engine.run(Workflow.from_json(RECIPE), targets=["text"], on_event=notice, cancel=cancel)
    assert done.state == "cancelled"
    assert len(pieces) <= 2
