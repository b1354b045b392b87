"""Files are written whole or not at all, by any number of processes at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from nodeflow.replacing import PART, part_of, replacing


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "before"}


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".txt")
    with replacing(path) as temporary:
        temporary.write_text("all of it")
    assert path.read_text() == "all of it"
    assert PART.fullmatch(part_of(tmp_path).name)


def test_several_writers_and_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"0" * 100_000)
    errors = []

    def write(letter: bytes) -> None:
        try:
            for _ in range(50):
                with replacing(path) as temporary, open(temporary, "wb") as file:
                    for _ in range(10):
                        file.write(letter * 10_000)
                        file.flush()
        except OSError as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"1", b"2", b"3")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found = path.read_bytes()
        assert (len(found), len(set(found))) == (100_000, 1)
    assert errors == []
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
