"""Sound files and figures of sound."""

from __future__ import annotations

import io
import math
import struct
import wave
from pathlib import Path

import pytest
import torch
from PIL import Image

from nodeflow import Audio, File, NodeError
from nodeflow.context import StandaloneContext
from nodeflow_nodes.media.audio_nodes import load_audio, save_audio, spectrogram, tone, waveform
from nodeflow_nodes.media.drawing import loudness


def file_of(folder: Path, data: bytes) -> File:
    path = folder / "sound.wav"
    path.write_bytes(data)
    return File("sound.wav", str(path), "0")


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_what_was_read_is_written_back_bit_for_bit(tmp_path: Path, bits: int) -> None:
    top = 2 ** (bits - 1)
    whole = torch.tensor([[0, 1, -1, top - 1, -top, 12345 * (top >> 15)], [5, 4, 3, 2, 1, 0]], dtype=torch.float64)
    if bits == 32:  # float32 has 24 bits
        whole = (whole / 256).floor() * 256
    ctx = StandaloneContext()
    (first,) = save_audio(Audio((whole / top).float()[None], 8000), "a", bits, ctx=ctx)
    assert first.media == "audio/wav"
    data = ctx.saved["a.wav"]
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (
            2,
            bits // 8,
            8000,
            6,
        )
    read = load_audio(file_of(tmp_path, data))
    assert read.rate == 8000
    assert read.samples.shape == (1, 2, 6)
    assert torch.equal((read.samples[0].double() * top).round(), whole.clamp(-top, top - 1))
    save_audio(read, "b", bits, ctx=ctx)
    assert ctx.saved["b.wav"] == data


def test_batches_names_and_clipping() -> None:
    ctx = StandaloneContext()
    saved = save_audio(Audio(torch.full((2, 1, 4), 1.5), 100), "take.wav", ctx=ctx)
    assert [s.name for s in saved] == ["take-1.wav", "take-2.wav"]
    assert "up to 1.50" in ctx.warnings[0]
    assert struct.unpack("<4h", ctx.saved["take-1.wav"][44:]) == (32767,) * 4
    saved = save_audio(Audio(torch.zeros(2, 1, 4), 100), "day/{index} of 2", ctx=ctx)
    assert [s.name for s in saved] == ["day/1 of 2.wav", "day/2 of 2.wav"]


@pytest.mark.parametrize("name", [" ", "/etc/x", "../x", "a/./b", "a//b", "c:x", "a\\b", "a\0b", "x" * 300, ".wav"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(NodeError, match="expected a name such as"):
        save_audio(Audio(torch.zeros(1, 1, 4), 100), name, ctx=StandaloneContext())


def riff(kind: int, bits: int, body: bytes, channels: int = 1, more: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", kind, channels, 8000, 8000 * channels * bits // 8, channels * bits // 8, bits) + more
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"LIST\x03\0\0\0abc\0"
    return b"RIFF\0\0\0\0WAVE" + chunks + b"data" + struct.pack("<I", len(body)) + body


def test_other_wav_forms(tmp_path: Path) -> None:
    values = [0.5, -0.25, 1.5]
    assert load_audio(file_of(tmp_path, riff(3, 32, struct.pack("<3f", *values)))).samples.flatten().tolist() == values
    assert load_audio(file_of(tmp_path, riff(3, 64, struct.pack("<3d", *values)))).samples.flatten().tolist() == values
    assert load_audio(file_of(tmp_path, riff(1, 8, bytes([128, 192, 0])))).samples.flatten().tolist() == [0, 0.5, -1]
    extensible = struct.pack("<HHIH", 22, 16, 0, 1) + b"\0" * 14
    data = riff(0xFFFE, 16, struct.pack("<2h", 16384, -32768), 2, extensible)
    assert load_audio(file_of(tmp_path, data)).samples.tolist() == [[[0.5], [-1.0]]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ID3 an mp3", "is no WAV file; convert it"),
        (riff(1, 16, b""), "holds no sound"),
        (riff(85, 16, b"abcd"), "WAV of kind 85"),
        (riff(1, 16, b"abcd", channels=0), "0 channels"),
        (riff(1, 16, b"abcd")[:40], "without a format|without sound"),
        (b"RIFF\0\0\0\0WAVE", "without a format"),
        (riff(3, 32, struct.pack("<f", math.nan)), "no numbers"),
    ],
)
def test_broken_files_are_a_users_error(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        load_audio(file_of(tmp_path, data))


def test_a_missing_file_is_a_users_error(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="cannot be read"):
        load_audio(File("no.wav", str(tmp_path / "no.wav"), "0"))


def test_tone_is_a_sine() -> None:
    sound = tone(250.0, 0.01, 0.5, 1000, 2)
    assert sound.samples.shape == (1, 2, 10)
    expected = [0, 0.5, 0, -0.5, 0, 0.5, 0, -0.5, 0, 0.5]
    assert sound.samples[0, 1].tolist() == pytest.approx(expected, abs=1e-7)
    with pytest.raises(NodeError, match="stay below 500 Hz"):
        tone(500.0, 1.0, 0.5, 1000)


def test_a_full_scale_tone_is_at_zero_decibels_in_its_own_bin() -> None:
    levels = loudness(tone(1000.0, 0.5, 1.0, 8000).samples[0, 0], 256, 64)
    assert levels.shape[0] == 129
    assert int(levels.mean(1).argmax()) == 32
    assert float(levels[32].mean()) == pytest.approx(0, abs=0.01)
    assert float(levels[60:].max()) < -80


def test_figures_say_what_they_show() -> None:
    sound = tone(1000.0, 0.5, 0.5, 8000, 2)
    waves, pitches = waveform(sound), spectrogram(sound, 256, 64)
    for figure in (waves, pitches):
        picture = Image.open(io.BytesIO(figure.data))
        assert (picture.format, picture.width) == ("PNG", 760)
    assert waves.alt == "Waveform, 0.50 s, 2 channels, peak 0.50, mean loudness 0.354."
    assert "loudest on average at 1000 Hz" in pitches.alt
    with pytest.raises(NodeError, match="the batch has 1"):
        waveform(sound, 1)


def test_very_short_and_silent_sounds_are_drawn_too() -> None:
    sound = Audio(torch.zeros(1, 1, 3), 44100)
    assert "peak 0.00" in waveform(sound).alt
    assert spectrogram(sound).data
