"""Hostile files given to the commands that open them: a clear message, an exit code, and nothing on disk is changed."""

from __future__ import annotations

import json
import os
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeflow.share.embed import embed
from tests.cli.conftest import Cli, Done
from tests.comfy.made import png

Here = Callable[..., Done]
HUGE = 100 << 20
COMMANDS = ("run", "import", "diff")


def inflated(size: int) -> bytes:
    """What inflates to so many spaces."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(size >> 20)) + packer.flush()


def itxt(text: bytes, *, compressed: bool) -> bytes:
    return png((b"iTXt", b"nodeflow\0" + bytes([compressed, 0]) + b"\0\0" + text))


def com_bomb() -> bytes:
    """JPEG: comment segments that together inflate to 100 MB."""
    packed = inflated(HUGE)
    pieces = [packed[i : i + 60_000] for i in range(0, len(packed), 60_000)]
    segments = b"".join(
        b"\xff\xfe" + struct.pack(">H", len(p) + 15) + b"nodeflow\0" + struct.pack(">HH", i, len(pieces)) + p
        for i, p in enumerate(pieces)
    )
    return b"\xff\xd8" + segments + b"\xff\xda\0\2\xff\xd9"


def webp(text: bytes) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + bytes(10) + b"XMP " + struct.pack("<I", len(text)) + text
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def zipped(*entries: tuple[str, bytes, int]) -> Callable[[], bytes]:
    def make() -> bytes:
        import io

        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data, mode in entries:
                info = zipfile.ZipInfo(name)
                info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
        return buffer.getvalue()

    return make


NAN = b'{"recipe": {"format": "nodeflow/1", "nodes": {}}, "x": NaN}'
FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a PNG text of 100 MB": ("a.png", lambda: itxt(b" " * HUGE, compressed=False), "at most 8,388,608 are read"),
    "a PNG text that inflates to 100 MB": (
        "a.png",
        lambda: itxt(inflated(HUGE), compressed=True),
        "larger than 8,388,608 bytes",
    ),
    "a JPEG comment that inflates to 100 MB": ("a.jpg", com_bomb, "larger than 8,388,608 bytes"),
    "a WebP text of 100 MB": ("a.webp", lambda: webp(b" " * HUGE), "carries no recipe"),
    "a ComfyUI text of 100 MB": (
        "a.png",
        lambda: png((b"tEXt", b"workflow\0" + b" " * HUGE)),
        "'workflow' is larger than 16,777,216 bytes",
    ),
    "NaN in a picture": ("a.png", lambda: itxt(NAN, compressed=False), "NaN is no JSON number"),
    "NaN in a recipe": ("a.json", lambda: NAN, "NaN is no JSON number"),
    "a recipe of 100 MB": ("a.json", lambda: b"[" + b" " * HUGE, "at most 67,108,864 are read"),
    "a zip bomb": ("a.crate.zip", zipped(("z", b"\0" * (60 << 20), 0)), "as in a zip bomb"),
    "an absolute path": ("a.crate.zip", zipped(("/canary", b"evil", 0)), "is absolute"),
    "a path that leads out": ("a.crate.zip", zipped(("../canary", b"evil", 0)), "leads out of the folder"),
    "a symlink": ("a.crate.zip", zipped(("link", b"/etc/passwd", stat.S_IFLNK | 0o777)), "is a link"),
    "no crate": ("a.crate.zip", zipped(("a.txt", b"hello", 0)), "it has no ro-crate-metadata.json"),
}


def everything(folder: Path) -> dict[str, Any]:
    """All files with what they hold, but for nodeflow's own home."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if "home" not in path.relative_to(folder).parts
    }


@pytest.mark.parametrize("case", FILES)
def test_a_hostile_file_is_told_and_changes_nothing(here: Here, cli: Cli, tmp_path: Path, case: str) -> None:
    name, make, message = FILES[case]
    (cli.folder / name).write_bytes(make())
    (tmp_path / "canary").write_text("alive")
    is_zip = name.endswith(".zip")
    before = everything(tmp_path)
    for command in ("import", "verify") if is_zip else COMMANDS:
        if command == "import" and "ComfyUI" not in case and not is_zip:
            continue  # it reads ComfyUI's files only
        start = time.perf_counter()
        done = here(command, name, *((name,) if command == "diff" else ()))
        assert time.perf_counter() - start < 20
        told = done.err + done.out
        if command == "diff" and name.endswith((".png", ".jpg", ".webp")):
            assert done.code in (0, 2, 3), told  # pictures are also compared as such
        else:
            assert done.code in (3, 4), (command, told)
            assert message in told, (command, told[:500])
        assert "Traceback" not in told
        assert everything(tmp_path) == before, command
    assert (tmp_path / "canary").read_text() == "alive"


def test_the_same_name_twice(here: Here, cli: Cli) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped(("a.txt", b"good", 0), ("a.txt", b"evil", 0))()
    (cli.folder / "a.crate.zip").write_bytes(data)
    done = here("import", "a.crate.zip")
    assert done.code == 4
    assert "the name 'a.txt' stands twice; nothing was unpacked" in done.err
    assert os.listdir(cli.folder) == ["a.crate.zip"]


@pytest.mark.parametrize("part", ["recipe", "key", "pack", "version"])
def test_a_lock_that_lies(here: Here, cli: Cli, hello: str, part: str) -> None:
    assert here("lock", hello, "--with-outputs").code == 0
    path = cli.folder / "hello.lock.json"
    lock = json.loads(path.read_text())
    lie = "0" * 64
    if part == "recipe":
        lock["recipe"] = lie
    elif part == "key":
        lock["nodes"][0]["key"] = lie
    elif part == "pack":
        lock["packs"]["trial"]["code"] = lie
    else:
        lock["versions"]["nodeflow"] = "99"
    path.write_text(json.dumps(lock))
    done = here("run", hello, "--locked")
    assert done.code == 6
    assert "drift: " in done.err
    assert ("000000000000" in done.err) == (part != "version")
    assert not (cli.folder / "output").exists()
    refused = here("export", hello)
    assert refused.code == 6
    assert not list(cli.folder.glob("*.crate.zip"))


def test_a_lock_that_lies_about_what_came_out(here: Here, cli: Cli, hello: str) -> None:
    assert here("lock", hello, "--with-outputs").code == 0
    path = cli.folder / "hello.lock.json"
    lock = json.loads(path.read_text())
    lock["outputs"]["said"]["files"][0]["digest"] = "0" * 64
    path.write_text(json.dumps(lock))
    done = here("verify", hello, "--json")
    assert done.code == 6
    assert {v["name"]: v["state"] for v in done.json["outputs"]} == {"said": "different", "sum": "bit-equal"}
    refused = here("export", hello)
    assert refused.code == 1
    assert "what came out is not what the lock tells of" in refused.err


def test_a_key_of_a_picture_that_lies(here: Here, cli: Cli) -> None:
    nodes = {"blank": {"op": "image/empty@1", "values": {"width": 8, "height": 8}}}
    recipe = {"format": "nodeflow/1", "nodes": nodes, "outputs": {"picture": "blank.image"}}
    data = embed(png(), {"recipe": recipe, "key": "0" * 64, "lock": "f" * 64, "numeric": "x" * 5000})
    (cli.folder / "a.png").write_bytes(data)
    locked = here("run", "a.png", "--locked")
    assert locked.code == 4
    assert "was made under the lock ffffffffffffffff" in locked.err
