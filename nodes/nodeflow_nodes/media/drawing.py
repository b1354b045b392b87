"""Figures of sounds, drawn with Pillow."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from nodeflow import Figure

WIDTH, STRIP, LEFT, TOP, BOTTOM = 760, 150, 64, 14, 34
INK, FAINT, LINE, GRID = "#1c2430", "#69758a", "#2f6db3", "#dfe5ee"
COLOURS = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
"""Dark to light, evenly in lightness: six places of the colour map `inferno`."""


def draw_waveform(samples: torch.Tensor, rate: int) -> Figure:
    """[C, T] as strips: from the smallest to the largest value that falls on each column of pixels."""
    channels, count = samples.shape
    wide = WIDTH - LEFT - 12
    picture = Image.new("RGB", (WIDTH, TOP + STRIP * channels + BOTTOM), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(12)
    edges = np.linspace(0, count, wide + 1).astype(int)
    values = samples.detach().cpu().float().numpy()
    for channel in range(channels):
        middle, half = TOP + STRIP * channel + STRIP / 2, STRIP / 2 - 8
        for level in (-1, 0, 1):
            y = middle - level * half
            draw.line((LEFT, y, LEFT + wide, y), GRID)
            draw.text((LEFT - 8, y), str(level), FAINT, font=font, anchor="rm")
        for x in range(wide):
            part = values[channel, edges[x] : max(edges[x + 1], edges[x] + 1)]
            low, high = np.clip((part.min(), part.max()), -1, 1)
            draw.line((LEFT + x, middle - high * half, LEFT + x, middle - low * half), LINE)
    _time_axis(draw, count / rate, TOP + STRIP * channels, wide)
    peak, power = float(np.abs(values).max()), float(np.sqrt((values.astype(np.float64) ** 2).mean()))
    words = "1 channel" if channels == 1 else f"{channels} channels"
    return _figure(picture, f"Waveform, {count / rate:.2f} s, {words}, peak {peak:.2f}, mean loudness {power:.3f}.")


def loudness(samples: torch.Tensor, window: int, hop: int) -> torch.Tensor:
    """[T] -> [F, N]: power at F = window / 2 + 1 pitches in N windows, in dB below that of a full-scale sine."""
    shape = torch.hann_window(window, dtype=torch.float64, device=samples.device)
    padded = torch.nn.functional.pad(samples.double(), (0, max(0, window - len(samples))))
    bins = torch.stft(padded, window, hop, window=shape, center=False, return_complex=True)
    return 20 * (bins.abs() / (shape.sum() / 2)).clamp_min(1e-9).log10()


def draw_spectrogram(levels: torch.Tensor, rate: int, hop: int, floor: float) -> Figure:
    """[F, N] in dB as a picture, low pitches at the bottom; `floor` dB below the loudest is black."""
    top = float(levels.max())
    wide, high = WIDTH - LEFT - 12, 300
    share = ((levels - top) / -floor + 1).clamp(0, 1).cpu().numpy()[::-1]
    places = np.linspace(0, 1, len(COLOURS))
    pixels = np.stack([np.interp(share, places, [c[i] for c in COLOURS]) for i in range(3)], -1)
    inner = Image.fromarray(pixels.round().astype(np.uint8)).resize((wide, high), Image.Resampling.BILINEAR)
    picture = Image.new("RGB", (WIDTH, TOP + high + BOTTOM), "white")
    picture.paste(inner, (LEFT, TOP))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(12)
    for hertz in _ticks(rate / 2, 5):
        y = TOP + high - hertz / (rate / 2) * high
        draw.line((LEFT - 4, y, LEFT, y), INK)
        label = f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz:g} Hz"
        draw.text((LEFT - 7, y), label, FAINT, font=font, anchor="rm")
    _time_axis(draw, levels.shape[1] * hop / rate, TOP + high, wide)
    loudest = int(levels.mean(1).argmax()) * rate / (2 * (levels.shape[0] - 1))
    return _figure(picture, f"Spectrogram up to {rate / 2:g} Hz, loudest on average at {loudest:.0f} Hz.")


def _ticks(end: float, count: int) -> list[float]:
    """About `count` round numbers from 0 to `end`."""
    raw = end / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * 0.999)
    return [n * step for n in range(int(end / step + 1e-9) + 1)]


def _time_axis(draw: ImageDraw.ImageDraw, seconds: float, y: float, wide: int) -> None:
    font = ImageFont.load_default(12)
    for second in _ticks(seconds, 6):
        x = LEFT + second / seconds * wide
        draw.line((x, y, x, y + 4), INK)
        draw.text((x, y + 7), f"{second:g} s", FAINT, font=font, anchor="ra" if x > WIDTH - 30 else "ma")


def _figure(picture: Image.Image, alt: str) -> Figure:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return Figure(buffer.getvalue(), "image/png", alt)
