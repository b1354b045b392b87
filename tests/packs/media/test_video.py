"""Moving pictures: frames, animated files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from nodeflow import File, NodeError, Video
from nodeflow.context import StandaloneContext
from nodeflow_nodes.media.animation import frame_times
from nodeflow_nodes.media.video_nodes import frames_to_video, load_video, save_video, video_frames


def moving(count: int = 5, channels: int = 3, size: int = 12) -> torch.Tensor:
    """A bright column that moves to the right, in whole 8-bit values."""
    frames = torch.zeros(count, channels, size, size)
    for number in range(count):
        frames[number, :, :, number] = 1.0
        frames[number, 0] += 51 / 255 * (frames[number, 0] == 0)
    if channels == 4:
        frames[:, 3] = 1.0
        frames[:, 3, :3] = 128 / 255
    return frames


def saved(video: Video, folder: Path, **options: object) -> tuple[File, StandaloneContext]:
    ctx = StandaloneContext()
    artefact = save_video(video, "film", ctx=ctx, **options)
    path = folder / artefact.name
    path.write_bytes(ctx.saved[artefact.name])
    return File(artefact.name, str(path), "0"), ctx


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("options", [{"format": "png"}, {"format": "webp", "lossless": True}])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, channels: int, options: dict[str, object]) -> None:
    video = Video(moving(channels=channels), 8.0)
    file, _ = saved(video, tmp_path, **options)
    read = load_video(file)
    assert torch.allclose(read.frames, video.frames, atol=1e-6)
    assert read.fps == pytest.approx(8.0)


@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
def test_still_frames_keep_their_time(tmp_path: Path, kind: str) -> None:
    """Writers merge equal frames into one that is shown for longer; reading repeats it."""
    frames = moving(6)
    frames[2] = frames[1]
    frames[3] = frames[1]
    file, _ = saved(Video(frames, 10.0), tmp_path, format=kind)
    read = load_video(file)
    assert len(read.frames) == 6
    assert read.fps == pytest.approx(10.0)
    assert float((read.frames - frames).abs().mean()) < 0.03


def test_gif_and_lossy_webp(tmp_path: Path) -> None:
    file, ctx = saved(Video(moving(), 60.0), tmp_path, format="gif")
    assert file.name == "film.gif"
    assert "50 frames a second" in ctx.warnings[0]
    file, ctx = saved(Video(moving(channels=1), 8.0), tmp_path, quality=50, loop=2)
    with Image.open(file.path) as picture:
        assert (picture.format, picture.n_frames, picture.info["loop"]) == ("WEBP", 5, 2)


def test_frame_times_do_not_drift() -> None:
    assert frame_times(6, 30, 1) == [33, 34, 33, 33, 34, 33]
    assert sum(frame_times(300, 24, 10)) == 12500
    assert frame_times(2, 120, 10) == [10, 10]


def test_frames_and_back() -> None:
    frames = moving()
    video = frames_to_video(frames, 12)
    assert (video.fps, type(video.fps)) == (12.0, float)
    assert torch.equal(video_frames(video), frames)
    assert torch.equal(video_frames(video, 1, 2, 2), frames[[1, 3]])
    assert torch.equal(video_frames(video, 4, 0, 3), frames[[4]])
    with pytest.raises(NodeError, match="has 5 frames"):
        video_frames(video, 5)


def test_a_single_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    file, _ = saved(Video(moving(1), 8.0), tmp_path, format="png")
    assert load_video(file).frames.shape == (1, 3, 12, 12)


def test_bombs_and_broken_files_are_a_users_error(tmp_path: Path) -> None:
    path = tmp_path / "big.gif"
    Image.new("P", (5000, 5000)).save(path, save_all=True, append_images=[Image.new("P", (5000, 5000), 1)])
    with pytest.raises(NodeError, match="more than 40 megapixels"):
        load_video(File("big.gif", str(path), "0"))
    buffer = io.BytesIO()
    Image.new("1", (10000, 10000)).save(buffer, "PNG")  # beyond where Pillow itself warns
    path.write_bytes(buffer.getvalue())
    with pytest.raises(NodeError, match="more than 40 megapixels"):
        load_video(File("big.gif", str(path), "0"))
    path.write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(NodeError, match="convert films first"):
        load_video(File("big.gif", str(path), "0"))
    file, _ = saved(Video(moving(), 8.0), tmp_path, format="png")
    whole = Path(file.path).read_bytes()
    Path(file.path).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NodeError, match="damaged"):
        load_video(file)
