"""WAV files: whole-number PCM is written by the standard library; PCM and floating point are read here.

A whole number n of b bits stands for n / 2**(b - 1), so what was read is written back bit for bit.
"""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import torch

from nodeflow import NodeError

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


def encode(samples: torch.Tensor, rate: int, bits: int) -> bytes:
    """A WAV file from [C, T], -1..1; what lies outside is clipped.

    Args:
        rate: samples a second (Hz). bits: 16, 24 or 32 for each sample.
    """
    top = 2 ** (bits - 1)
    values = (samples.detach().cpu().double().T * top).round().clamp(-top, top - 1).to(torch.int64)
    whole = values.contiguous().numpy().astype("<i4")
    data = whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes() if bits < 32 else whole.tobytes()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(bits // 8)
        file.setframerate(rate)
        file.writeframes(data)
    return buffer.getvalue()


def decode(data: bytes, name: str) -> tuple[torch.Tensor, int]:
    """[C, T] float32 and the rate in Hz.

    Raises:
        NodeError: if it is no WAV file, is damaged, or is packed in another way than PCM or floating point.
    """
    kind, channels, rate, bits, body = _chunks(data, name)
    if not 1 <= channels <= 64 or not 1 <= rate <= 1_000_000:
        raise NodeError(f"{name}: {channels} channels at {rate} Hz: the file is damaged")
    if kind == PCM and bits in (8, 16, 24, 32):
        values = _whole(body, bits)
    elif kind == FLOAT and bits in (32, 64):
        width = bits // 8
        values = np.frombuffer(body[: len(body) // width * width], f"<f{width}").astype(np.float32)
    else:
        raise NodeError(f"{name}: WAV of kind {kind} with {bits} bits; expected PCM (8 to 32) or float (32, 64)")
    count = len(values) // channels
    if not count:
        raise NodeError(f"{name}: holds no sound")
    sound = torch.from_numpy(values[: count * channels].reshape(count, channels).T.copy())
    if not bool(sound.isfinite().all()):
        raise NodeError(f"{name}: has samples that are no numbers; the file is damaged")
    return sound, rate


def _whole(body: bytes, bits: int) -> Any:
    """Whole numbers of 8 (unsigned) to 32 bits as float32."""
    if bits == 8:
        return (np.frombuffer(body, np.uint8).astype(np.float32) - 128) / 128
    width = bits // 8
    raw = np.frombuffer(body[: len(body) // width * width], np.uint8).reshape(-1, width)
    padded = np.zeros((len(raw), 4), np.uint8)
    padded[:, 4 - width :] = raw  # the top bytes, so that the sign comes out right
    return (padded.view("<i4")[:, 0] / 2.0**31).astype(np.float32)


def _chunks(data: bytes, name: str) -> tuple[int, int, int, int, bytes]:
    """Kind, channels, rate, bits and the samples' bytes of a RIFF file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NodeError(f"{name}: is no WAV file; convert it first (ffmpeg -i in.mp3 out.wav)")
    place, form = 12, None
    while place + 8 <= len(data):
        label, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        body = data[place + 8 : place + 8 + size]
        if label == b"fmt " and len(body) >= 16:
            numbers = [int.from_bytes(body[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8), (14, 16))]
            if numbers[0] == EXTENSIBLE and len(body) >= 26:
                numbers[0] = int.from_bytes(body[24:26], "little")
            form = tuple(numbers)
        elif label == b"data" and form:
            return form[0], form[1], form[2], form[3], body
        place += 8 + size + size % 2
    raise NodeError(f"{name}: a WAV file without {'sound' if form else 'a format'}: cut off or damaged")
