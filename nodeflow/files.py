"""Files that a recipe names: model files by name, input files by path; found, guarded, listed and hashed.

A name from a recipe is hostile until it is resolved: after following links the file must lie inside a declared
folder. Model names are looked for in each model folder in turn: the user's own, further ones laid out like ComfyUI's
`models` or A1111's, then those that packs ship; a name like `owner/name@revision` then in the Hugging Face cache.
Nothing is read here but folder listings and, for keys, content hashes, and nothing is fetched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nodeflow import hub
from nodeflow.annotations import InputFile, ModelFile
from nodeflow.ports import Port
from nodeflow.problems import Problem, did_you_mean, nearest
from nodeflow.types import File

MODEL_SUFFIXES = (".safetensors", ".gguf")
PICKLED_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
FOLDER_MARKS = ("model_index.json", "config.json", "generator.json")
ALIASES: dict[str, tuple[str, ...]] = {
    "checkpoints": ("Stable-diffusion",),
    "loras": ("Lora", "LyCORIS"),
    "vae": ("VAE",),
    "controlnet": ("ControlNet",),
    "upscale_models": ("ESRGAN", "RealESRGAN"),
    "diffusion_models": ("unet",),
    "text_encoders": ("clip",),
    "embeddings": ("../embeddings",),
}
"""Other programs' names for ComfyUI's folder names (A1111's, and ComfyUI's older ones)."""


class FileProblem(Exception):
    """A file that a recipe names cannot be used; `problem` says why once it has a place."""

    def __init__(self, code: str, message: str, *, expected: str = "", got: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.texts = (message, expected, got, hint)
        self.code = code

    def problem(self, place: str) -> Problem:
        return Problem(self.code, place, *self.texts)


@dataclass
class Files:
    """Where recipes' files may lie.

    model_folders: each holds sub-folders such as `checkpoints` and `loras`, itself or in its `models` (the folder of a
    whole ComfyUI or A1111), which is then added behind it. input_roots: folders that input files may be in, the first
    for relative paths. digest: how a file or folder becomes its content digest. hub_cache: the Hugging Face cache, if
    names of its models are to be found there.
    """

    model_folders: tuple[Path, ...] = ()
    input_roots: tuple[Path, ...] = ()
    digest: Callable[[Path], str] | None = None
    hub_cache: Path | None = None
    _listing: dict[str, dict[str, Path]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        pairs = ((folder, folder / "models") for folder in self.model_folders)
        both = (path for folder, inner in pairs for path in ((folder, inner) if inner.is_dir() else (folder,)))
        self.model_folders = tuple(dict.fromkeys(both))

    def models(self, folder: str) -> dict[str, Path]:
        """Model files and folders by name, the first folder that has a name winning. Read afresh by `refresh`."""
        if folder not in self._listing:
            found: dict[str, Path] = {}
            for root in self.model_folders:
                for sub in (folder, *ALIASES.get(folder, ())):
                    for name, path in _scan(root / sub):
                        found.setdefault(name, path)
            if folder == "checkpoints" and self.hub_cache is not None:
                for name, path in hub.whole_models(self.hub_cache):
                    found.setdefault(name, path)
            self._listing[folder] = found
        return self._listing[folder]

    def refresh(self) -> None:
        self._listing.clear()

    def find(self, port: Port, value: str) -> Path:
        """The file that `value` names at a `File` port.

        Raises:
            FileProblem: NF301..NF304.
        """
        if any(ord(c) < 32 for c in value):
            raise FileProblem("NF303", "a file name has control characters", got=repr(value)[:80])
        try:
            if kind := port.extra(ModelFile):
                return self._find_model(kind.folder, value)
            kind = port.extra(InputFile)
            return self._find_input(value, kind.suffixes if kind else ())
        except (OSError, ValueError) as error:  # too long, or not a name at all
            reason = getattr(error, "strerror", None) or "it is no file name"
            raise FileProblem("NF302", f"the file cannot be looked for: {reason}", got=repr(value)[:80]) from None

    def resolve(self, port: Port, value: str) -> File:
        """The file with its content digest."""
        path = self.find(port, value)
        if self.digest is None:
            raise RuntimeError("this Files object cannot hash")
        try:
            return File(value, str(path), self.digest(path))
        except OSError as error:
            raise FileProblem("NF302", f"{path} cannot be read: {error.strerror}", got=repr(value)) from None

    def _find_model(self, folder: str, name: str) -> Path:
        pure = PurePosixPath(name.replace("\\", "/"))
        if pure.is_absolute() or ".." in pure.parts or (len(name) > 1 and name[1] == ":"):
            raise FileProblem("NF303", "models are named relative to a model folder", got=repr(name)[:80])
        models = self.models(folder)
        path = models.get(str(pure)) or next(
            (models[n] for n in (f"{pure}{s}" for s in MODEL_SUFFIXES) if n in models), None
        )
        in_cache = path is not None and self.hub_cache is not None and path.is_relative_to(self.hub_cache)
        if (path is None or in_cache) and (hub_name := hub.parse(name)):
            return self._find_in_hub(hub_name)
        if path is None:
            self._refuse_pickled(folder, str(pure))
            looked = ", ".join(str(root / folder) for root in self.model_folders) or "no model folder is set"
            raise FileProblem(
                "NF301",
                f"no model named {name!r} in {folder}",
                expected=f"a file or folder in {looked}",
                hint=self._hub_hint(name) or _near_model(name, models) or "put the file there, or set model_folders",
            )
        subs = (folder, *ALIASES.get(folder, ()))
        if not self._inside(path, [*self.model_folders, *(root / sub for root in self.model_folders for sub in subs)]):
            raise FileProblem(
                "NF303",
                f"the model {name!r} is a link out of the model folders",
                got=str(path.resolve()),
                hint="add the folder it lies in to model_folders",
            )
        return path

    def _find_in_hub(self, name: hub.HubName) -> Path:
        """The file or folder of a hub name in the cache."""
        cache = self.hub_cache
        if cache is None:
            raise FileProblem("NF301", f"no model named {str(name)!r}: no Hugging Face cache is set")
        try:
            path = hub.find(cache, name)
        except hub.OutOfCache as error:
            raise FileProblem(
                "NF303", f"the model {str(name)!r} is a link out of its repository", got=str(error)
            ) from None
        except hub.NotInCache as error:
            fetch = f"`nodeflow models fetch {name}` fetches it; nothing is fetched by itself"
            place = hub.repo_folder(cache, name.repo)
            raise FileProblem(
                "NF301",
                f"no model {str(name)!r} in the Hugging Face cache: {error}",
                expected=f"{name.file or 'the files'} of revision {name.revision} in {place}",
                hint=fetch if name.pinned else f"pin the revision to fetch it: {name.repo}@ and 40 hexadecimal digits",
            ) from None
        if path.is_file() and path.suffix.lower() not in MODEL_SUFFIXES:
            raise _wrong_kind(str(name), path.suffix)
        return path

    def _hub_hint(self, name: str) -> str:
        """What the cache has of a repository that is named without its revision."""
        have = hub.revisions(self.hub_cache, name) if self.hub_cache and hub.BARE.fullmatch(name) else []
        return f"the Hugging Face cache has it: name its revision, {name}@{have[0]}" if have else ""

    def _refuse_pickled(self, folder: str, name: str) -> None:
        """Say so if a model is there, but in a form that is not read."""
        if not name or len(name) > 200:
            return
        for root in self.model_folders:
            for sub in (folder, *ALIASES.get(folder, ())):
                for suffix in ("", *PICKLED_SUFFIXES):
                    path = root / sub / f"{name}{suffix}"
                    if path.suffix.lower() in PICKLED_SUFFIXES and path.is_file():
                        raise _wrong_kind(f"{name}{suffix}", path.suffix)

    def _find_input(self, value: str, suffixes: tuple[str, ...]) -> Path:
        if not value:
            raise FileProblem("NF302", "no file is named")
        path = Path(value.replace("\\", "/") if os.sep == "/" else value)
        candidates = [path] if path.is_absolute() else [root / path for root in self.input_roots]
        found = next((c for c in candidates if c.exists()), None)
        if not any(self._inside(c, self.input_roots) for c in ([found] if found else candidates)):
            raise FileProblem(
                "NF303",
                "the file lies outside the folders that recipes may read",
                expected=f"a file inside {', '.join(map(str, self.input_roots)) or 'no folder (none is set)'}",
                got=repr(value)[:120],
                hint="copy it there, or add its folder to input_roots",
            )
        if found is None and any(c.is_symlink() and self._inside(c, self.input_roots) for c in candidates):
            raise FileProblem("NF302", f"{value!r} is a link that leads nowhere")
        if found is None:
            near = [p.name for root in self.input_roots for p in _siblings(root / path)]
            raise FileProblem("NF302", f"no file {value!r}", hint=did_you_mean(path.name, near)[:200])
        if not found.is_file():
            raise FileProblem("NF302", f"{value!r} is no file")
        if suffixes and found.suffix.lower() not in suffixes:
            raise FileProblem(
                "NF304", f"{value!r} is not of this kind", expected=" or ".join(suffixes), got=found.suffix
            )
        return found

    @staticmethod
    def _inside(path: Path, roots: Iterable[Path]) -> bool:
        real = os.path.realpath(path)
        return any(
            real == base or real.startswith(base.rstrip(os.sep) + os.sep) for base in map(os.path.realpath, roots)
        )


def _wrong_kind(name: str, suffix: str) -> FileProblem:
    pickled = suffix.lower() in PICKLED_SUFFIXES
    wrong = "is pickled: such a file can run code when it is opened" if pickled else "is not of a kind that is read"
    return FileProblem(
        "NF304",
        f"the model {name!r} {wrong}",
        expected=" or ".join(MODEL_SUFFIXES),
        got=suffix,
        hint="use its .safetensors version, or convert it where you trust it (docs/files.md)" if pickled else "",
    )


def _scan(root: Path) -> Iterator[tuple[str, Path]]:
    """Model files and model folders below `root`, with their names relative to it; folders are not entered twice."""
    if not root.is_dir():
        return
    for folder, below, names in os.walk(root, followlinks=False):
        here = Path(folder)
        if here != root and any(mark in names for mark in FOLDER_MARKS):
            yield here.relative_to(root).as_posix(), here
            below.clear()
            continue
        below[:] = sorted(n for n in below if not n.startswith("."))
        for link in [n for n in below if (here / n).is_symlink()]:  # one level of linked model folders
            if any((here / link / mark).is_file() for mark in FOLDER_MARKS):
                yield (here / link).relative_to(root).as_posix(), here / link
        for name in sorted(names):
            if name.lower().endswith(MODEL_SUFFIXES):
                yield (here / name).relative_to(root).as_posix(), here / name


def _near_model(name: str, models: dict[str, Path]) -> str:
    """What may have been meant; a name without its suffix is compared without theirs."""
    stems = {model.removesuffix(Path(model).suffix): model for model in models}
    near = nearest(name, stems)
    return f"did you mean {', '.join(stems[n] for n in near)}?" if near else did_you_mean(name, models)


def _siblings(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.iterdir())[:2000]
    except OSError:
        return []


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if they cannot be looked at."""
    try:
        if path.is_file():
            return path.stat().st_size
        return sum(os.path.getsize(os.path.join(here, name)) for here, _, names in os.walk(path) for name in names)
    except OSError:
        return 0
