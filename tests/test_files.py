"""Files that recipes name: found inside the roots, and nowhere else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.annotations import InputFile, ModelFile
from nodeflow.files import FileProblem, Files
from nodeflow.ports import Port, make_port
from nodeflow.types import File

ANY_FILE = make_port("f", Annotated[File, InputFile()])
TEXT = make_port("f", Annotated[File, InputFile((".txt",))])
CHECKPOINT = make_port("m", Annotated[File, ModelFile("checkpoints")])
EMBEDDING = make_port("m", Annotated[File, ModelFile("embeddings")])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root, a model folder, and beside them what nobody may read."""
    for folder in (
        "in/sub",
        "models/checkpoints/sub",
        "models/Stable-diffusion",
        "models/vae",
        "embeddings",
        "outside",
    ):
        (tmp_path / folder).mkdir(parents=True)
    for name in (
        "canary.txt",
        "outside/canary.txt",
        "outside/m.safetensors",
        "in/note.txt",
        "in/sub/deep.TXT",
        "in/a.png",
        "models/checkpoints/a.safetensors",
        "models/checkpoints/sub/b.gguf",
        "models/checkpoints/evil.ckpt",
        "models/Stable-diffusion/c.safetensors",
        "models/vae/v.safetensors",
        "embeddings/e.safetensors",
    ):
        (tmp_path / name).write_text(name)
    folder = tmp_path / "models" / "checkpoints" / "pipe"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    (folder / "unet.safetensors").write_text("x")
    os.symlink(tmp_path / "canary.txt", tmp_path / "in" / "link.txt")
    os.symlink(tmp_path / "outside", tmp_path / "in" / "linked")
    os.symlink(tmp_path / "outside" / "m.safetensors", tmp_path / "models" / "checkpoints" / "m.safetensors")
    os.symlink(tmp_path / "in" / "note.txt", tmp_path / "in" / "inner.txt")
    return tmp_path


@pytest.fixture
def files(tree: Path) -> Files:
    return Files((tree / "models",), (tree / "in",), lambda path: path.read_text())


def code(files: Files, port: Port, value: str) -> str:
    with pytest.raises(FileProblem) as raised:
        files.find(port, value)
    return raised.value.code


@pytest.mark.parametrize(
    "value",
    [
        "../canary.txt",
        "sub/../../canary.txt",
        "./../canary.txt",
        "/etc/passwd",
        "//etc/passwd",
        "..",
        "../in/../canary.txt",
        "..\\canary.txt",
        "sub\\..\\..\\canary.txt",
        "link.txt",
        "linked/canary.txt",
        "note.txt\0.png",
        "a\nb",
        "\x1b[2J",
        "/proc/self/environ",
        "../../../../../../etc/passwd",
    ],
)
def test_nothing_outside_the_roots_can_be_named(files: Files, value: str) -> None:
    assert code(files, ANY_FILE, value) == "NF303"


@pytest.mark.parametrize(
    "value",
    [
        "%2e%2e/canary.txt",
        "%252e%252e%252fcanary.txt",
        "C:\\Windows\\win.ini",
        "C:/x",
        "~/.bashrc",
        "file:///etc/passwd",
        "none.txt",
        "",
        "sub",
        "x" * 5000,
        "x/" * 3000,
        "\ud800",
        "..%2fcanary.txt",
        "note.txt/x",
    ],
)
def test_what_is_no_file_of_a_root(files: Files, value: str) -> None:
    assert code(files, ANY_FILE, value) in ("NF302", "NF303")


def test_absolute_names_inside_a_root_and_links_that_stay_inside(files: Files, tree: Path) -> None:
    assert files.find(ANY_FILE, str(tree / "in" / "note.txt")) == tree / "in" / "note.txt"
    assert code(files, ANY_FILE, str(tree / "canary.txt")) == "NF303"
    assert files.find(ANY_FILE, "inner.txt") == tree / "in" / "inner.txt"
    assert files.find(TEXT, "sub/deep.TXT") == files.find(TEXT, "sub\\deep.TXT") == tree / "in" / "sub" / "deep.TXT"


def test_a_root_whose_name_begins_alike_is_another(tree: Path) -> None:
    (tree / "in2").mkdir()
    (tree / "in2" / "x.txt").touch()
    files = Files((), (tree / "in",))
    assert code(files, ANY_FILE, str(tree / "in2" / "x.txt")) == code(files, ANY_FILE, "../in2/x.txt") == "NF303"


def test_no_roots_means_no_files() -> None:
    assert code(Files(), ANY_FILE, "x.txt") == "NF303"
    assert code(Files(), CHECKPOINT, "x") == "NF301"


def test_files_of_another_kind(files: Files) -> None:
    assert code(files, TEXT, "a.png") == "NF304"


def test_files_that_are_none(files: Files, tree: Path) -> None:
    os.mkfifo(tree / "in" / "pipe.txt")
    assert code(files, TEXT, "pipe.txt") == "NF302"


def test_models_by_name_with_aliases(files: Files, tree: Path) -> None:
    assert sorted(files.models("checkpoints")) == [
        "a.safetensors",
        "c.safetensors",
        "m.safetensors",
        "pipe",
        "sub/b.gguf",
    ]
    models = tree / "models"
    assert (
        files.find(CHECKPOINT, "a") == files.find(CHECKPOINT, "a.safetensors") == models / "checkpoints/a.safetensors"
    )
    assert files.find(CHECKPOINT, "sub\\b") == models / "checkpoints/sub/b.gguf"
    assert files.find(CHECKPOINT, "c") == models / "Stable-diffusion/c.safetensors"
    assert files.find(CHECKPOINT, "pipe") == models / "checkpoints/pipe"
    assert os.path.samefile(files.find(EMBEDDING, "e"), tree / "embeddings" / "e.safetensors")


def test_the_folder_of_a_whole_program_does_as_well(tree: Path) -> None:
    """`stable-diffusion-webui/` or `ComfyUI/` for its `models/`, where people look for their models first."""
    files = Files(model_folders=(tree,))
    assert files.model_folders == (tree, tree / "models") == replace(files).model_folders
    assert files.find(CHECKPOINT, "c") == tree / "models/Stable-diffusion/c.safetensors"
    assert files.find(EMBEDDING, "e") == tree / "embeddings/e.safetensors"


@pytest.mark.parametrize("name", ["../vae/v", "/etc/passwd", "..\\vae\\v", "C:\\x", "m", "a\0", "sub/../../vae/v"])
def test_models_outside_are_refused(files: Files, name: str) -> None:
    assert code(files, CHECKPOINT, name) == "NF303"


@pytest.mark.parametrize("name", ["evil", "evil.ckpt"])
def test_pickled_models_are_refused(files: Files, name: str) -> None:
    assert code(files, CHECKPOINT, name) == "NF304"


@pytest.mark.parametrize("name", ["v", "", ".", "pipe/unet", "A", "x" * 5000])
def test_models_that_are_not_there(files: Files, name: str) -> None:
    assert code(files, CHECKPOINT, name) == "NF301"


def test_a_missing_model_names_where_was_looked_and_the_nearest(files: Files, tree: Path) -> None:
    with pytest.raises(FileProblem) as raised:
        files.find(CHECKPOINT, "sub/c")
    assert raised.value.texts == (
        "no model named 'sub/c' in checkpoints",
        f"a file or folder in {tree / 'models' / 'checkpoints'}",
        "",
        "did you mean sub/b.gguf, c.safetensors?",
    )


def test_the_first_folder_that_has_a_name_wins(tree: Path) -> None:
    own = tree / "own"
    (own / "checkpoints").mkdir(parents=True)
    (own / "checkpoints" / "a.safetensors").touch()
    files = Files((own, tree / "models"), ())
    assert files.find(CHECKPOINT, "a") == own / "checkpoints" / "a.safetensors"


def test_new_models_are_seen_after_a_refresh(files: Files, tree: Path) -> None:
    assert code(files, CHECKPOINT, "new") == "NF301"
    (tree / "models" / "checkpoints" / "new.safetensors").touch()
    files.refresh()
    assert files.find(CHECKPOINT, "new").name == "new.safetensors"


def test_a_file_with_its_digest(files: Files, tree: Path) -> None:
    assert files.resolve(TEXT, "note.txt") == File("note.txt", str(tree / "in" / "note.txt"), "in/note.txt")


def test_a_file_that_cannot_be_read(tree: Path) -> None:
    def unreadable(path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(FileProblem) as raised:
        Files((), (tree / "in",), unreadable).resolve(TEXT, "note.txt")
    assert (raised.value.code, "cannot be read: Permission denied" in str(raised.value)) == ("NF302", True)


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", ".", "sub", "/", "\\", "note.txt", "link.txt", "linked"])).map("/".join)
)
def test_no_name_finds_anything_outside(tree: Path, name: str) -> None:
    files = Files((tree / "models",), (tree / "in",))
    for port in (ANY_FILE, CHECKPOINT):
        try:
            found = files.find(port, name)
        except FileProblem:
            continue
        assert os.path.realpath(found).startswith((str(tree / "in"), str(tree / "models")))


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    os.symlink("loop.txt", tmp_path / "loop.txt")
    os.symlink(tmp_path / "gone.txt", tmp_path / "dangling.txt")
    files = Files((), (tmp_path,))
    for name in ("loop.txt", "dangling.txt"):
        with pytest.raises(FileProblem, match=f"'{name}' is a link that leads nowhere") as raised:
            files.find(TEXT, name)
        assert raised.value.code == "NF302"
