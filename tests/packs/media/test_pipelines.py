"""Any diffusers pipeline as a node: pictures, frames, sound; refusals; progress and cancellation."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from nodeflow import Cancelled, NodeError, Pipeline, WeightsPool
from nodeflow.context import StandaloneContext
from nodeflow_nodes.media.call_nodes import call_pipeline_audio, call_pipeline_frames, call_pipeline_images
from nodeflow_nodes.media.folder import pipeline_names, read_folder
from nodeflow_nodes.media.pipelines import pictures, sound

from .tiny import handle, libraries, save_audio, save_frames, save_images


class Counting(StandaloneContext):
    """Notes the steps, and cancels itself after some."""

    def __init__(self, stop: int = 10**6) -> None:
        super().__init__()
        self.stop, self.steps = stop, list[tuple[int, int]]()

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.steps.append((done, total))
        if done >= self.stop:
            self.cancelled.set()
        super().progress(done, total, text)


@pytest.fixture(scope="module")
def images_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_images(tmp_path_factory.mktemp("pipelines") / "images")


@pytest.fixture(scope="module")
def images(images_folder: Path) -> Pipeline:
    return handle(images_folder)


def test_pictures_are_those_of_the_pipeline_itself(images: Pipeline) -> None:
    made = call_pipeline_images(images, "a red star", steps=2, guidance=3, width=16, height=24, seed=5)
    assert made.shape == (1, 3, 24, 16)
    assert made.dtype == torch.float32
    diffusers, _ = libraries()
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(images.path)
    theirs = pipe(
        "a red star", num_inference_steps=2, guidance_scale=3, width=16, height=24, output_type="np",
        generator=torch.Generator().manual_seed(5),
    ).images  # fmt: skip
    assert torch.equal(made, torch.from_numpy(theirs).movedim(-1, 1))


def test_each_picture_of_a_batch_is_the_one_made_alone(images: Pipeline) -> None:
    options: dict[str, Any] = {"steps": 2, "width": 16, "height": 16}
    made = call_pipeline_images(images, "a star", count=3, seed=7, **options)
    alone = [call_pipeline_images(images, "a star", seed=7 + i, **options) for i in range(3)]
    assert torch.equal(made, torch.cat(alone))
    assert not torch.equal(made[0], made[1])


def test_pipelines_that_start_from_a_picture(images_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(images_folder, folder)
    change(folder, _class_name="StableDiffusionInpaintPipeline")
    picture, mask = torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 1, 16, 16)
    options: dict[str, Any] = {"steps": 4, "width": 16, "height": 16, "image": picture, "mask": mask}
    made = call_pipeline_images(handle(folder), "a star", extra='{"strength": 0.5}', **options)
    assert made.shape == (1, 3, 16, 16)
    mask[..., :8] = 0
    other = call_pipeline_images(handle(folder), "a star", extra='{"strength": 0.5}', **options)
    assert not torch.equal(made, other)


def test_frames(tmp_path: Path) -> None:
    pipeline = handle(save_frames(tmp_path / "frames"))
    ctx = Counting()
    video = call_pipeline_frames(
        pipeline, "a blue star", negative="noise", steps=3, width=16, height=16, frames=4, fps=6, ctx=ctx
    )
    assert video.frames.shape == (4, 3, 16, 16)
    assert video.fps == 6
    assert 0 <= float(video.frames.min()) < float(video.frames.max()) <= 1
    assert ctx.steps == [(1, 3), (2, 3), (3, 3)]


def test_audio(tmp_path: Path) -> None:
    pipeline = handle(save_audio(tmp_path / "audio"))
    ctx = Counting()
    audio = call_pipeline_audio(pipeline, "noise of rain", steps=2, seconds=2.0, seed=1, ctx=ctx)
    assert audio.rate == 4
    assert audio.samples.shape == (1, 2, 8)
    assert audio.samples.dtype == torch.float32
    assert ctx.steps == [(1, 2), (2, 2)]
    again = call_pipeline_audio(pipeline, "noise of rain", steps=2, seconds=2.0, seed=1, rate=8)
    assert torch.equal(audio.samples, again.samples)
    assert again.rate == 8


def test_cancelling_takes_effect_within_one_step_and_leaves_the_pipeline_usable(images: Pipeline) -> None:
    ctx = Counting(stop=2)
    with pytest.raises(Cancelled):
        call_pipeline_images(images, "a star", steps=9, width=16, height=16, ctx=ctx)
    assert len(ctx.steps) == 2
    options: dict[str, Any] = {"steps": 2, "width": 16, "height": 16}
    used = call_pipeline_images(images, "a star", **options)
    assert torch.equal(used, call_pipeline_images(images, "a star", **options, ctx=fresh()))


def fresh() -> StandaloneContext:
    return StandaloneContext(WeightsPool())


def test_extra_arguments_are_checked(images: Pipeline) -> None:
    def call(extra: str, **more: Any) -> Any:
        return call_pipeline_images(images, "a star", steps=2, width=16, height=16, extra=extra, **more)

    assert not torch.equal(call('{"eta": 1.0}'), call(""))
    for extra, message in (
        ('{"ets": 1.0}', "'ets', which StableDiffusionPipeline does not take; it takes prompt, height, width"),
        ('{"generator": 1}', "'generator', which is set by this node"),
        ('{"prompt": "no"}', "'prompt', which has an input of its own"),
        ('{"kwargs": {}}', "'kwargs', which StableDiffusionPipeline does not take"),
        ('{"guidance_rescale": "much"}', "refused the call"),
        ("[1]", "extra is a list"),
        ("{", "no valid JSON"),
    ):
        with pytest.raises(NodeError, match=message):
            call(extra)


def test_what_a_pipeline_does_not_have_is_an_error(images: Pipeline) -> None:
    with pytest.raises(NodeError, match="takes no num_frames; it takes prompt"):
        call_pipeline_frames(images, "a star", steps=1, frames=3)
    with pytest.raises(NodeError, match="takes no audio_length_in_s"):
        call_pipeline_audio(images, "a star", steps=1, seconds=3)
    with pytest.raises(NodeError, match=r"gives no audios, but images"):
        call_pipeline_audio(images, "a star", steps=1, extra='{"width": 16, "height": 16}')
    with pytest.raises(NodeError, match="refused the call"):
        call_pipeline_images(images, "", steps=1)


def change(folder: Path, **more: Any) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))


def copy_index(source: Path, folder: Path, **more: Any) -> Path:
    folder.mkdir()
    (folder / "model_index.json").write_bytes((source / "model_index.json").read_bytes())
    change(folder, **more)
    return folder


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"_class_name": ["evil", "EvilPipeline"]}, "a pipeline of its own"),
        ({"_class_name": None}, "a pipeline of its own"),
        ({"_class_name": "StableDifusionPipeline"}, "did you mean StableDiffusionPipeline"),
        ({"_class_name": "os.system"}, "is no pipeline of the installed diffusers"),
        ({"unet": ["os", "system"]}, r"code of its own to be run \(os.system\)"),
        ({"unet": ["diffusers_modules", "X"]}, "code of its own"),
        ({"unet": ["a.b", "X"]}, "expected the names of a library and a class"),
        ({"unet": ["diffusers", "UNet2DConditionModel", "x"]}, "expected the names"),
    ],
)
def test_foreign_code_is_refused(images_folder: Path, tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        read_folder(copy_index(images_folder, tmp_path / "copy", **more))


def test_parts_that_older_folders_name_are_accepted(images_folder: Path, tmp_path: Path) -> None:
    parts = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "feature_extractor": [None, None]}
    assert read_folder(copy_index(images_folder, tmp_path / "copy", **parts)).class_name == "StableDiffusionPipeline"


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (np.zeros((2, 8, 6, 3)), (2, 3, 8, 6)),
        (np.zeros((1, 5, 8, 6, 3)), (5, 3, 8, 6)),
        (torch.zeros(1, 5, 3, 8, 6), (5, 3, 8, 6)),
        ([PIL.Image.new("RGB", (6, 8)), PIL.Image.new("RGB", (6, 8))], (2, 3, 8, 6)),
        ([[PIL.Image.new("L", (6, 8))] * 3], (3, 1, 8, 6)),
    ],
)
def test_pictures_of_all_forms_become_one(value: Any, shape: tuple[int, ...]) -> None:
    assert pictures(value).shape == shape


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (np.zeros(9), (1, 1, 9)),
        (np.zeros((2, 9)), (2, 1, 9)),
        (torch.zeros(2, 2, 9), (2, 2, 9)),
        ([np.zeros(9)] * 2, (2, 1, 9)),
    ],
)
def test_sounds_of_all_forms_become_one(value: Any, shape: tuple[int, ...]) -> None:
    assert sound(value).shape == shape


def test_code_beside_a_component_is_refused(images_folder: Path, tmp_path: Path) -> None:
    folder = copy_index(images_folder, tmp_path / "copy")
    (folder / "unet").mkdir()
    (folder / "unet" / "diffusers.py").write_text("raise SystemExit")
    with pytest.raises(NodeError, match="code of its own"):
        read_folder(folder)


def test_pickled_weights_are_refused(images_folder: Path, tmp_path: Path) -> None:
    folder = copy_index(images_folder, tmp_path / "copy")
    (folder / "unet").mkdir()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"PK")
    with pytest.raises(NodeError, match=r"component 'unet' has pickled weights \(diffusion_pytorch_model.bin\)"):
        handle(folder)


def test_a_broken_folder_is_a_users_error(images_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"with a model_index\.json in it"):
        handle(tmp_path)
    folder = copy_index(images_folder, tmp_path / "copy")
    with pytest.raises(NodeError, match="diffusers cannot load it"):
        call_pipeline_images(handle(folder), "a star")
    (folder / "model_index.json").write_text("{")
    with pytest.raises(NodeError, match="no valid JSON"):
        handle(folder)


def test_the_pool_counts_a_pipelines_weights(images: Pipeline) -> None:
    pool = WeightsPool()
    with pool.use(images) as module:
        expected = sum(p.numel() for m in module.modules() for p in m.parameters()) * 4
    ((_, _, size),) = pool.inventory()
    assert expected <= size < expected * 1.1


def test_naming_a_pipeline_imports_neither_torch_nor_diffusers(images_folder: Path) -> None:
    assert {"StableDiffusionPipeline", "StableAudioPipeline", "AnimateDiffPipeline"} < pipeline_names()
    code = (
        "import sys\n"
        "import nodeflow_nodes.media as pack\n"
        "assert not {'PIL', 'numpy'} & set(sys.modules)\n"
        "from nodeflow import File\n"
        f"print(pack.pipeline_nodes.load_pipeline(File('m', {str(images_folder)!r}, '0' * 64)).loader)\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "media/pipeline\n", done.stderr
