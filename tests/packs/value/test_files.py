from pathlib import Path

import pytest

from nodeflow import File, NodeError
from nodeflow_nodes.value.files import load_text


def written(path: Path, data: bytes) -> File:
    path.write_bytes(data)
    return File(path.name, str(path), "")


def test_texts(tmp_path: Path) -> None:
    assert load_text(written(tmp_path / "a.txt", "ein Ä\n".encode())) == "ein Ä\n"
    assert load_text(written(tmp_path / "a.txt", b"\xef\xbb\xbfbom")) == "bom"


def test_texts_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="byte 1 is none"):
        load_text(written(tmp_path / "a.txt", b"a\xff"))
    with pytest.raises(NodeError, match="larger than"):
        load_text(written(tmp_path / "a.txt", b"a" * 10_000_001))
    with pytest.raises(NodeError, match=r"gone\.txt: cannot be read"):
        load_text(File("gone.txt", str(tmp_path / "gone.txt"), ""))
