"""Artefacts: kept by content, shown under names that every system takes, never lost, never replaced."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.artefacts import SUFFIXES, Artefacts, safe_stem
from nodeflow.cache import BadBlob, BlobStore, StoreError
from nodeflow.types import Artefact

PNG = "image/png"


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    return Artefacts(BlobStore(tmp_path / "store"), tmp_path / "output")


def names(artefacts: Artefacts) -> list[str]:
    return sorted(os.listdir(artefacts.output))


def test_kept_and_shown(artefacts: Artefacts) -> None:
    made = artefacts.keep(b"one", PNG, "star")
    assert made == Artefact(blake3(b"one").hexdigest(), PNG, "star.png", 3)
    assert (artefacts.output / "star.png").read_bytes() == artefacts.read(made.digest) == b"one"
    assert names(artefacts) == ["star.png"]


def test_other_content_gets_the_next_name_and_the_same_content_its_own(artefacts: Artefacts) -> None:
    first = [artefacts.keep(data, PNG, "star").name for data in (b"one", b"two", b"one", b"three", b"two")]
    assert first == ["star.png", "star-2.png", "star.png", "star-3.png", "star-2.png"]
    later = Artefacts(artefacts.store, artefacts.output)  # another process
    assert [later.keep(data, PNG, "star").name for data in (b"two", b"four")] == ["star-2.png", "star-4.png"]
    assert names(artefacts) == ["star-2.png", "star-3.png", "star-4.png", "star.png"]


def test_the_ending_is_that_of_the_type(artefacts: Artefacts) -> None:
    for media, suffix in SUFFIXES.items():
        assert artefacts.keep(media.encode(), media, f"file{suffix}").name == f"file{suffix}"
    assert artefacts.keep(b"?", "application/x-unknown", "thing").name == "thing.bin"
    assert artefacts.keep(b"?", "application/octet-stream", "thing.exe").name == "thing.exe.bin"
    assert artefacts.keep(b"?", "application/octet-stream", "thing.latent").name == "thing.latent"
    assert artefacts.keep(b"html", PNG, "page.html").name == "page.html.png"


def test_a_readable_file_that_was_edited_or_deleted_is_not_taken_for_the_content(artefacts: Artefacts) -> None:
    artefacts.keep(b"one", PNG, "star")
    (artefacts.output / "star.png").write_bytes(b"eno")
    assert artefacts.keep(b"one", PNG, "star").name == "star-2.png"
    assert (artefacts.output / "star.png").read_bytes() == b"eno"
    (artefacts.output / "star-2.png").unlink()
    assert artefacts.keep(b"one", PNG, "star").name == "star-2.png"
    assert artefacts.read(blake3(b"one").hexdigest()) == b"one"


def test_nothing_is_ever_replaced(artefacts: Artefacts, tmp_path: Path) -> None:
    artefacts.keep(b"one", PNG, "first")
    (artefacts.output / "star.png").mkdir()
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (artefacts.output / "star-2.png").symlink_to(tmp_path / "elsewhere")
    assert artefacts.keep(b"one", PNG, "star").name == "star-3.png"
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"


def test_many_at_once(artefacts: Artefacts) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(
            pool.map(lambda i: Artefacts(artefacts.store, artefacts.output).keep(b"%d" % (i % 10), PNG, "x"), range(40))
        )
    assert len(names(artefacts)) == 10
    for artefact in made:
        assert (artefacts.output / artefact.name).read_bytes() == artefacts.read(artefact.digest)


def test_a_thousand_of_one_name_are_quick(artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    started = time.perf_counter()
    for number in range(1000):
        assert artefacts.keep(b"%04d" % number * (number + 1), PNG, "x").name.startswith("x")
    assert len(names(artefacts)) == 1000
    assert time.perf_counter() - started < 15


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("red star", "red star"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\windows\\x", "C__windows_x"),
        ("a\nb\tc\0d", "a_b_c_d"),
        ("CON", "_CON"),
        ("com1.tar", "_com1.tar"),
        ("Lpt¹", "_Lpt¹"),
        ("console", "console"),
        ("-rf", "_rf"),
        (".hidden. ", "hidden"),
        ("", "untitled"),
        ("...", "untitled"),
        ("///", "untitled"),
        ("e\u0301toile", "\u00e9toile"),
        ("gnp\u202egpj", "gnp_gpj"),
        ("星" * 100, "星" * 60),
        ("a" * 500, "a" * 180),
        ("\ud800x", "_x"),
        ('what? "really" <yes>|*', "what_ _really_ _yes___"),
    ],
)
def test_names_are_made_safe(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_becomes_a_file_name(name: str) -> None:
    stem = safe_stem(name)
    assert 0 < len(stem.encode()) <= 181
    assert not set('/\\:*?"<>|\0\n') & set(stem)
    assert stem[0] not in ".- "
    assert stem[-1] not in ". "
    assert unicodedata.is_normalized("NFC", stem)
    assert safe_stem(stem) == stem


def test_an_output_folder_that_cannot_be_made_loses_nothing(artefacts: Artefacts) -> None:
    artefacts.output.write_text("a file in the way")
    with pytest.raises(StoreError, match=r"output: could not write in the output folder.*move it away"):
        artefacts.check_writable()
    with pytest.raises(StoreError, match=r"output: could not write star.png: .*kept as blob ") as raised:
        artefacts.keep(b"one", PNG, "star")
    digest = blake3(b"one").hexdigest()
    assert digest in str(raised.value)
    artefacts.output.unlink()
    artefacts.check_writable()
    assert names(artefacts) == []
    assert artefacts.show(Artefact(digest, PNG, "star.png", 3)).name == "star.png"
    assert names(artefacts) == ["star.png"]


def test_a_full_disk_shows_nothing_half_written(artefacts: Artefacts, tmp_path: Path) -> None:
    code = """
import resource, sys
from nodeflow.artefacts import Artefacts
from nodeflow.cache import BlobStore, StoreError
artefacts = Artefacts(BlobStore(sys.argv[1] + "/store"), sys.argv[1] + "/output")
artefacts.keep(b"small", "image/png", "star")
put = BlobStore.put
def put_then_fill(store, data):
    digest = put(store, data)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    return digest
BlobStore.put = put_then_fill
try:
    artefacts.keep(bytes(5000), "image/png", "star")
except StoreError as error:
    assert "free some space" in str(error) and "kept as blob" in str(error), error
else:
    raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert names(artefacts) == ["star.png"]
    assert artefacts.read(blake3(bytes(5000)).hexdigest()) == bytes(5000)


def test_a_store_that_cannot_be_written_is_said_first(artefacts: Artefacts) -> None:
    artefacts.store.root.write_text("a file in the way")
    with pytest.raises(StoreError, match="store: could not write a blob"):
        artefacts.keep(b"one", PNG, "star")
    assert not artefacts.output.exists()


def test_a_missing_blob_cannot_be_shown(artefacts: Artefacts) -> None:
    with pytest.raises(BadBlob):
        artefacts.show(Artefact("0" * 64, PNG, "star.png", 3))


def test_half_written_files_of_dead_processes_are_swept(artefacts: Artefacts) -> None:
    artefacts.output.mkdir()
    old, young = (artefacts.output / f".{digit * 16}.part" for digit in "ab")
    for file in (old, young):
        file.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    artefacts.keep(b"one", PNG, "star")
    assert names(artefacts) == [young.name, "star.png"]


def test_without_hard_links(artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    assert [artefacts.keep(data, PNG, "star").name for data in (b"1", b"2", b"1")] == [
        "star.png",
        "star-2.png",
        "star.png",
    ]
    assert names(artefacts) == ["star-2.png", "star.png"]
