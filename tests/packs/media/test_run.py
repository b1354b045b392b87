"""Media nodes in a run: files are written, and values survive the cache."""

from __future__ import annotations

import wave
from pathlib import Path

from PIL import Image

from nodeflow.engine import Engine
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow

#   tone ──► save
#     └────► look ──► keep
RECIPE = {
    "format": "nodeflow/1",
    "outputs": {"files": "save.artefacts", "figure": "keep.artefact"},
    "nodes": {
        "tone": {"op": "media/tone@1", "values": {"seconds": 0.1}},
        "save": {"op": "media/save_audio@1", "values": {"name": "beep"}, "links": {"audio": "tone.audio"}},
        "look": {"op": "media/spectrogram@1", "links": {"audio": "tone.audio"}},
        "keep": {"op": "media/save_figure@1", "values": {"name": "look"}, "links": {"figure": "look.figure"}},
    },
}


def test_a_run_writes_the_files(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, cache=tmp_path / "cache", output=tmp_path / "out")
    with Engine(settings) as engine:
        done = engine.run(Workflow.from_json(RECIPE))
    assert done.state == "completed", done.failures
    (sound,) = (tmp_path / "out").rglob("beep*.wav")
    with wave.open(str(sound)) as file:
        assert file.getnframes() == 4410
    (figure,) = (tmp_path / "out").rglob("look*.png")
    with Image.open(figure) as picture:
        assert picture.width == 760
