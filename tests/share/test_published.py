"""What a run writes: pictures with their recipe; a damaged one stays as the node made it, and the run is not lost."""

from __future__ import annotations

from pathlib import Path

from nodeflow.engine import Engine
from nodeflow.op import node
from nodeflow.registry import Pack, load_pack, make_catalogue
from nodeflow.settings import Settings
from nodeflow.share.carried import carried
from nodeflow.types import Figure
from nodeflow.workflow import Workflow
from tests.share.world import figure


@node("w/damaged")
def damaged() -> Figure:
    """A picture that is cut off."""
    return Figure(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0")


def test_a_damaged_picture_is_written_as_it_is(tmp_path: Path) -> None:
    pack = Pack("w", __name__, "world-pack", "1", ops={op.name: op for op in (figure, damaged)}, folder=Path(__file__))
    folders = {"home": tmp_path / "home", "cache": tmp_path / "cache", "output": tmp_path / "out"}
    workflow = Workflow.from_json(
        {
            "format": "nodeflow/1",
            "nodes": {"bad": {"op": "w/damaged@1"}, "good": {"op": "w/figure@1"}},
            "outputs": {"bad": "bad.figure", "good": "good.figure"},
        }
    )
    with Engine(Settings(**folders), make_catalogue([pack, load_pack("engine", "nodeflow.export")])) as engine:
        done = engine.run(workflow, out=tmp_path / "out")
    assert done.state == "completed"
    assert done.files["bad"][0].read_bytes() == damaged().data
    assert carried(done.files["good"][0].read_bytes()).workflow == workflow
