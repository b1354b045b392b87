"""Sound: load, save, make, and look at it."""

from __future__ import annotations

from typing import Annotated, Literal

from nodeflow import Artefact, Audio, Context, Figure, File, InputFile, NodeError, Range, Tensor, node

LARGEST = 1 << 30


@node("media/load_audio")
def load_audio(path: Annotated[File, InputFile((".wav",))]) -> Audio:
    """Load a sound from a WAV file.

    Args:
        path: a WAV file inside the input folders: PCM of 8 to 32 bits or floating point, at most 1 GB.

    Returns:
        The sound, [1, C, T], -1..1 (floating point files may go beyond).
    """
    from .names import read_file
    from .wav import decode

    samples, rate = decode(read_file(path, LARGEST), path.name)
    return Audio(samples[None], rate)


@node("media/save_audio", effects=True)
def save_audio(audio: Audio, name: str = "audio", bits: Literal[16, 24, 32] = 16, *, ctx: Context) -> list[Artefact]:
    """Save sounds as WAV files, one for each item of the batch.

    Args:
        audio: the sounds; what goes beyond -1..1 is clipped, with a warning.
        name: readable name in the output folder, without the suffix; `{index}` becomes the number of the item.
        bits: for each sample: 16 is what players expect, 24 what studios use.

    Returns:
        The saved files, in the order of the batch.
    """
    from .names import file_names
    from .wav import encode

    if (peak := float(audio.samples.abs().max())) > 1.0:
        ctx.warn(f"the sound goes up to {peak:.2f} and was clipped at 1; make it quieter first")
    names = file_names(name, len(audio.samples), ".wav")
    return [
        ctx.save(encode(item, audio.rate, bits), file, "audio/wav")
        for item, file in zip(audio.samples, names, strict=True)
    ]


@node("media/tone")
def tone(
    frequency: Annotated[float, Range(1, 96000, unit="Hz")] = 440.0,
    seconds: Annotated[float, Range(0.001, 600, unit="s")] = 1.0,
    volume: Annotated[float, Range(0, 1, step=0.01)] = 0.5,
    rate: Annotated[int, Range(1000, 192000, step=1, unit="Hz")] = 44100,
    channels: Annotated[int, Range(1, 8, step=1)] = 1,
) -> Audio:
    """Make a pure tone (a sine).

    Args:
        frequency: pitch; 440 is the A that orchestras tune to. Below half the rate.
        seconds: how long.
        volume: peak, 0..1.
        rate: samples a second.
        channels: how many, all the same.
    """
    import torch

    if frequency >= rate / 2:
        raise NodeError(f"{frequency:g} Hz cannot be told apart at {rate} samples a second: stay below {rate / 2:g} Hz")
    times = torch.arange(max(1, round(seconds * rate)), dtype=torch.float64) / rate
    wave = (volume * (2 * torch.pi * frequency * times).sin()).float()
    return Audio(wave.expand(1, channels, -1).contiguous(), rate)


@node("media/waveform")
def waveform(audio: Audio, item: Annotated[int, Range(0, 9999, step=1)] = 0) -> Figure:
    """Draw a sound as its waveform: how far the air moves at each moment, a strip for each channel.

    From left to right is time, in seconds; up and down is the sample's value, -1 to 1. Each column of pixels is a line
    from the smallest to the largest value in its stretch of time, so loud is tall and silence is flat; what lies beyond
    -1 and 1 (and would be distorted) is cut off at the edge.

    Args:
        audio: the sounds, [B, C, T].
        item: which sound of the batch, counted from 0.

    Returns:
        figure: a PNG, 760 pixels wide.

    Raises:
        NodeError: if the batch has no such sound.
    """
    from .drawing import draw_waveform

    return draw_waveform(pick(audio, item), audio.rate)


@node("media/spectrogram", device=True)
def spectrogram(
    audio: Audio,
    window: Annotated[int, Range(16, 16384, step=16, unit="samples")] = 1024,
    hop: Annotated[int, Range(1, 16384, step=1, unit="samples")] = 256,
    floor: Annotated[float, Range(-160, -10, unit="dB")] = -80.0,
    item: Annotated[int, Range(0, 9999, step=1)] = 0,
) -> Figure:
    """Draw which pitches a sound has over time (short-time Fourier transform).

    Args:
        audio: the sounds; channels are averaged.
        window: samples looked at at once (Hann window): more tells pitches apart better, and times worse.
        hop: samples from one window to the next.
        floor: what is drawn black, below the loudest.
        item: which of the batch, from 0.
    """
    from .drawing import draw_spectrogram, loudness

    return draw_spectrogram(loudness(pick(audio, item).mean(0), window, hop), audio.rate, hop, floor)


def pick(audio: Audio, item: int) -> Tensor:
    """One item of a batch, [C, T]."""
    if item >= len(audio.samples):
        raise NodeError(f"item {item}: the batch has {len(audio.samples)} (0 to {len(audio.samples) - 1})")
    return audio.samples[item]
