from pathlib import Path

import pytest

from nodeflow import File, NodeError, Table
from nodeflow.context import StandaloneContext
from nodeflow_nodes.value.files import load_text, save_table, save_text

SCORES = Table(("name", "score"), (("a|b", 0.123456789), ("c", None), ("d", True)))


def written(path: Path, data: bytes) -> File:
    path.write_bytes(data)
    return File(path.name, str(path), "")


def test_texts(tmp_path: Path) -> None:
    context = StandaloneContext()
    made = save_text("ein Ä\n", "notes/one", ctx=context)
    assert made.name == "notes/one.txt"
    assert load_text(written(tmp_path / "a.txt", context.saved[made.name])) == "ein Ä\n"
    assert load_text(written(tmp_path / "a.txt", b"\xef\xbb\xbfbom")) == "bom"


def test_texts_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="byte 1 is none"):
        load_text(written(tmp_path / "a.txt", b"a\xff"))
    with pytest.raises(NodeError, match="larger than"):
        load_text(written(tmp_path / "a.txt", b"a" * 10_000_001))
    with pytest.raises(NodeError, match=r"gone\.txt: cannot be read"):
        load_text(File("gone.txt", str(tmp_path / "gone.txt"), ""))


def test_tables() -> None:
    context = StandaloneContext()
    made = save_table(SCORES, "runs/scores.csv", ctx=context)
    assert (made.name, made.media) == ("runs/scores.csv", "text/csv")
    assert context.saved["runs/scores.csv"] == b"name,score\r\na|b,0.123456789\r\nc,\r\nd,True\r\n"


@pytest.mark.parametrize("name", ["../x", "/x", "", "a\\b", "a\0b", "x" * 300, "a//b", "c:x"])
def test_bad_names(name: str) -> None:
    with pytest.raises(NodeError, match="file name"):
        save_table(SCORES, name, ctx=StandaloneContext())
