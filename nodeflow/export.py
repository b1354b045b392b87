"""Exporting: a value becomes files that other programs read.

Pictures become PNG (8 bits, rounded), text becomes text, sound becomes WAV, tables become CSV, and so on. Used for a
run's declared outputs. Tensors are read through numpy, so this module imports no tensor library.
"""

from __future__ import annotations

import csv
import io
import wave
from typing import Any, NamedTuple

from nodeflow.edges import describe
from nodeflow.errors import NodeError
from nodeflow.jsonio import dump_json
from nodeflow.op import Context, node
from nodeflow.types import Artefact, Audio, Figure, Latent, Table, Video

SUFFIXES = {
    "image/png": ".png",
    "image/webp": ".webp",
    "image/jpeg": ".jpg",
    "image/svg+xml": ".svg",
    "audio/wav": ".wav",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "application/json": ".json",
}


class Encoded(NamedTuple):
    """A file's bytes and media type."""

    data: bytes
    media: str


@node("engine/export")
def export(value: Any, *, ctx: Context) -> list[Artefact]:
    """Write a value in a format that other programs read.

    Args:
        value: pictures, sound, video, text, numbers, a table, a figure, or a list of these.
    """
    encoded = encode(value)
    return [ctx.save(e.data, f"{i}{SUFFIXES.get(e.media, '.bin')}", e.media) for i, e in enumerate(encoded)]


def encode(value: Any) -> list[Encoded]:
    """A value as one or more files: one a picture of a batch, one an item of a list.

    Raises:
        NodeError: if the value has no file format (a model handle, a conditioning, ...).
    """
    if isinstance(value, list) and any(not isinstance(v, (str, int, float, bool)) for v in value):
        return [file for item in value for file in encode(item)]
    if isinstance(value, Latent):
        value = _latent_preview(value)
    if hasattr(value, "untyped_storage"):
        return _encode_tensor(value)
    if isinstance(value, Video):
        return [Encoded(animated_webp(value), "image/webp")]
    if isinstance(value, Audio):
        return [Encoded(wav(value), "audio/wav")]
    if isinstance(value, Table):
        return [Encoded(csv_text(value).encode(), "text/csv")]
    if isinstance(value, Figure):
        return [Encoded(value.data, value.media)]
    if isinstance(value, str):
        return [Encoded(_utf8(value), "text/plain")]
    try:
        return [Encoded((dump_json(value) + "\n").encode(), "application/json")]
    except (TypeError, ValueError):
        message = f"{describe(value)} has no file format; declare a picture, text, sound, table or number as the output"
        raise NodeError(message) from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NodeError(f"the text has half of a character at {error.start}, which no file can hold") from None


def _encode_tensor(value: Any) -> list[Encoded]:
    shape = list(value.shape)
    if len(shape) == 4 and shape[1] in (1, 3, 4):
        return [Encoded(png(picture), "image/png") for picture in value]
    return [Encoded((dump_json(value.tolist(), indent=None) + "\n").encode(), "application/json")]


def _latent_preview(latent: Latent) -> Any:
    """The first three channels, spread over 0..1: a look at a latent, not its decoding."""
    samples = latent.samples[:, :3] if latent.samples.shape[1] >= 3 else latent.samples[:, :1]
    low, high = samples.amin(), samples.amax()
    return (samples - low) / (high - low).clamp(min=1e-8)


def pixels(picture: Any) -> Any:
    """A picture [C, H, W] 0..1 as a numpy array [H, W, C] or [H, W], 8 bits, rounded; what is no number is black."""
    array = (picture.detach().cpu().float().nan_to_num(0.0).clamp(0, 1) * 255).round().numpy().astype("uint8")
    return array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0)


def png(picture: Any) -> bytes:
    """A picture [C, H, W] 0..1 as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels(picture)).save(buffer, "PNG")
    return buffer.getvalue()


def animated_webp(video: Video) -> bytes:
    """A video as lossless animated WebP that repeats."""
    from PIL import Image

    frames = [Image.fromarray(pixels(frame)) for frame in video.frames]
    buffer = io.BytesIO()
    duration = round(1000 / video.fps)
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=duration, loop=0, lossless=True)
    return buffer.getvalue()


def wav(audio: Audio) -> bytes:
    """Sound as 16-bit WAV; the first item of a batch."""
    samples = (audio.samples[0].detach().cpu().clamp(-1, 1) * 32767).round().numpy().astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(audio.rate)
        file.writeframes(samples.T.tobytes())
    return buffer.getvalue()


def csv_text(table: Table) -> str:
    """A table as CSV with a header line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return buffer.getvalue()
