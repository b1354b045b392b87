"""Moving pictures: frames to a video and back, animated files."""

from __future__ import annotations

from typing import Annotated, Literal

from nodeflow import Artefact, Context, File, Image, InputFile, NodeError, Range, Video, node

Fps = Annotated[float, Range(0.1, 120, unit="frames/s")]


@node("media/frames_to_video", title="Frames to video")
def frames_to_video(frames: Image, fps: Fps = 8.0) -> Video:
    """Make a moving picture of a batch of pictures.

    Args:
        frames: the pictures in order.
        fps: how many are shown each second.
    """
    return Video(frames, float(fps))


@node("media/video_frames", title="Video frames")
def video_frames(
    video: Video,
    first: Annotated[int, Range(0, 100000, step=1)] = 0,
    count: Annotated[int, Range(0, 100000, step=1)] = 0,
    every: Annotated[int, Range(1, 1000, step=1)] = 1,
) -> Image:
    """Take the frames of a moving picture as a batch of pictures.

    Args:
        video: the moving picture.
        first: the first frame to take, from 0.
        count: how many to take at most; 0: all.
        every: take each frame (1), every second (2), ...
    """
    if first >= len(video.frames):
        raise NodeError(
            f"first is {first}, but the video has {len(video.frames)} frames (0 to {len(video.frames) - 1})"
        )
    frames = video.frames[first::every]
    return (frames[:count] if count else frames).clone()  # not a view, which would keep the whole video in memory


@node("media/load_video")
def load_video(path: Annotated[File, InputFile((".webp", ".png", ".apng", ".gif"))]) -> Video:
    """Load a moving picture from an animated WebP, PNG or GIF.

    Frames that the file shows for longer than others are repeated. At most 40 megapixels, all frames together. A file
    with a single picture becomes a video of one frame.

    Args:
        path: the file, inside the input folders.
    """
    from .animation import decode
    from .names import read_file

    frames, fps = decode(read_file(path, 1 << 30), path.name)
    return Video(frames, fps)


@node("media/save_video", effects=True)
def save_video(
    video: Video,
    name: str = "video",
    format: Literal["webp", "png", "gif"] = "webp",
    quality: Annotated[int, Range(1, 100, step=1)] = 85,
    lossless: bool = False,
    loop: Annotated[int, Range(0, 65535, step=1)] = 0,
    *,
    ctx: Context,
) -> Artefact:
    """Save a moving picture as a file that every browser plays.

    Args:
        video: the moving picture.
        name: readable name in the output folder, without the suffix; `/` makes folders.
        format: `webp` is small; `png` (APNG) keeps every pixel; `gif` has 256 colours a frame and shows frames for
            multiples of 10 ms.
        quality: of a WebP that is not lossless, 1..100.
        lossless: a WebP that keeps every pixel.
        loop: how often it plays; 0: for ever.
    """
    from .animation import FORMATS, encode
    from .names import file_names

    if format == "gif" and video.fps > 50:
        ctx.warn(f"most players show a GIF at 50 frames a second at most, this one has {video.fps:g}")
    _, suffix, media = FORMATS[format]
    data = encode(video.frames, video.fps, format, quality, lossless, loop)
    return ctx.save(data, file_names(name, 1, suffix)[0], media)
