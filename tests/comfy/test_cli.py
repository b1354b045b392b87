"""`nodeflow import`, and the documentation of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeflow.cli import main
from nodeflow.comfy.table import with_table

from .made import png, text_to_image

PAGE = Path(__file__).parents[2] / "docs" / "comfyui.md"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.png").write_bytes(png((b"tEXt", b"workflow\0" + json.dumps(text_to_image()).encode())))
    assert run("import", "w.png") == 0
    captured = capsys.readouterr()
    assert captured.out == "w.nodeflow.json\n"
    assert "missing-model: node 4" in captured.err
    assert "7 of 7 nodes" in captured.err
    assert run("import", "w.png") == 4
    assert "there already" in capsys.readouterr().err
    assert run("import", "w.png", "--force") == 0
    capsys.readouterr()
    assert run("check", "w.nodeflow.json") == 3  # the model is missing
    assert "NF301" in capsys.readouterr().out


def test_report_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text('{"1": {"class_type": "LoadUpscaleThing", "inputs": {}}}')
    assert run("import", "a.json", "--report", "--json") == 3
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "unknown-node"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    Path("bad.json").write_text("[1]")
    assert run("import", "bad.json") == 3
    assert run("import", "none.json") == 4


def test_run_says_to_import_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    document = json.dumps(text_to_image())
    Path("w.png").write_bytes(png((b"tEXt", b"workflow\0" + document.encode())))
    Path("w.json").write_text(document)
    for name in ("w.png", "w.json"):
        assert run("run", name) == 3
        assert "nodeflow import FILE" in capsys.readouterr().err
    Path("plain.png").write_bytes(png())
    assert run("run", "plain.png") == 3
    assert "carries no recipe" in capsys.readouterr().err


def test_a_recipe_need_not_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.json").write_text('{"format": "nodeflow/1", "nodes": {}}')
    assert run("import", "r.json") == 3
    assert "it is a recipe already; run it with: nodeflow run FILE" in capsys.readouterr().err


def test_the_table_in_the_documentation_is_fresh() -> None:
    text = PAGE.read_text("utf-8")
    assert text == with_table(text), "run: python -m nodeflow.comfy.table"
