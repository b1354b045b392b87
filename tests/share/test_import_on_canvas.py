"""What the server's import says of a picture: nothing, if it would come out the same here."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from nodeflow import __version__
from nodeflow.server.importing import imported
from nodeflow.share.crate import of_recipe
from nodeflow.share.embed import embed, extract
from nodeflow.share.pack import pack
from tests.share.world import World


def test_a_picture_and_a_crate_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    world = World(tmp_path)
    with world.engine() as engine:
        done = engine.run(world.workflow, path=world.path, out=tmp_path / "out")
        data = done.files["picture"][0].read_bytes()
        found = imported(engine, data)
        assert (found.kind, found.report, found.problems) == ("picture", [], [])
        other = embed(data, {**extract(data), "key": "0" * 64})
        assert len(imported(engine, other).report) == 1
        older = embed(data, {**extract(data), "key": "0" * 64, "versions": {"python": "2.7", "nodeflow": __version__}})
        assert imported(engine, older).report[1:] == [f"python: made with 2.7, here it is {platform.python_version()}"]
        pack(of_recipe(engine, world.workflow, world.path), tmp_path / "a.crate.zip")
        crate = imported(engine, (tmp_path / "a.crate.zip").read_bytes())
        assert (crate.kind, crate.report) == ("crate", [])
        (tmp_path / "words.txt").write_text("good evening")
        assert len(imported(engine, (tmp_path / "a.crate.zip").read_bytes()).report) == 1
