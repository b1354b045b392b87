"""Examples of the media pack: sound, video, figures, files, and pipelines of diffusers."""

from __future__ import annotations

from typing import Any

from docs.examples.kit import example, landscape, outputs, use
from nodeflow.builder import Graph


def chirp() -> Any:
    """A short tone."""
    return use("media/tone", frequency=440, seconds=0.5, rate=8000)


def spin() -> Any:
    """Four frames: the landscape turned further and further."""
    picture = use("image/resize", image=landscape(), width=64, height=64)
    frames = [use("image/rotate", image=picture, angle=angle, expand=False, color="white") for angle in (0, 20, 40, 60)]
    return use("image/batch", images=frames)


@example("media/tone", "A twentieth of a second of the tone A, as a WAV file, and its waveform.")
def _(graph: Graph) -> None:
    tone = use("media/tone", frequency=440, seconds=0.05, rate=44100)
    outputs(graph, sound=tone, waveform=use("media/waveform", audio=tone))


@example("media/waveform", "The first moments of a low tone.")
def _(graph: Graph) -> None:
    graph.output("figure", use("media/waveform", audio=use("media/tone", frequency=20, seconds=0.2, rate=8000)))


@example("media/spectrogram", "A tone of 440 Hz is a line at that height.")
def _(graph: Graph) -> None:
    graph.output("figure", use("media/spectrogram", audio=chirp(), window=256, hop=64))


@example("media/save_audio", "Writes tone.wav into the output folder.")
def _(graph: Graph) -> None:
    tone = chirp()
    outputs(graph, sound=tone, pitches=use("media/spectrogram", audio=tone, window=256, hop=64))
    use("media/save_audio", audio=tone, name="tone")


@example("media/load_audio", "A sound beside the recipe, and its picture.")
def _(graph: Graph) -> None:
    graph.output(
        "figure", use("media/spectrogram", audio=use("media/load_audio", path="files/tone.wav"), window=256, hop=64)
    )


@example("media/frames_to_video", "Four pictures become an animation of four frames a second.")
def _(graph: Graph) -> None:
    frames = spin()
    outputs(graph, frames=frames, video=use("media/frames_to_video", frames=frames, fps=4))


@example("media/save_video", "Writes spin.webp, an animation, into the output folder.")
def _(graph: Graph) -> None:
    video = use("media/frames_to_video", frames=spin(), fps=4)
    graph.output("video", video)
    use("media/save_video", video=video, name="spin")


@example("media/load_video", "The frames of an animation beside the recipe.")
def _(graph: Graph) -> None:
    video = use("media/load_video", path="files/spin.webp")
    graph.output("frames", use("media/video_frames", video=video))


@example("media/video_frames", "Every second frame of a video.")
def _(graph: Graph) -> None:
    frames = spin()
    video = use("media/frames_to_video", frames=frames, fps=4)
    outputs(graph, video=video, every_second=use("media/video_frames", video=video, every=2))


@example("media/figure_to_image", "A figure as a picture, put beside another.")
def _(graph: Graph) -> None:
    waves = use("media/waveform", audio=use("media/tone", frequency=20, seconds=0.2, rate=8000))
    graph.output("image", use("image/stitch", a=landscape(), b=use("media/figure_to_image", figure=waves)))


@example("media/save_figure", "Writes tone.png into the output folder.")
def _(graph: Graph) -> None:
    figure = use("media/spectrogram", audio=chirp(), window=256, hop=64)
    graph.output("figure", figure)
    use("media/save_figure", figure=figure, name="tone")


@example("media/save_table", "Writes times.csv into the output folder.")
def _(graph: Graph) -> None:
    table = use("value/table", columns=["steps", "seconds"], a=[10, 20, 40], b=[0.6, 1.1, 2.3])
    graph.output("table", table)
    use("media/save_table", table=table, name="times")


@example("media/save_text", "Writes words.txt into the output folder.")
def _(graph: Graph) -> None:
    text = use("value/text", value="a large red star in the centre on a blue background")
    graph.output("text", text)
    use("media/save_text", text=text, name="words")


PIPELINE = "a folder with a pipeline of diffusers"


def pipeline(name: str) -> Any:
    """A pipeline of that name among the user's checkpoints."""
    return use("media/load_pipeline", model=name)


@example(
    "media/load_pipeline", "Any pipeline that the installed diffusers knows; here one for pictures.", needs=PIPELINE
)
def _(graph: Graph) -> None:
    images = use("media/call_pipeline_images", pipeline=pipeline("my-pipeline"), prompt="a red star", seed=7)
    graph.output("image", images)


@example("media/call_pipeline_images", "0 steps means: as many as the pipeline takes by itself.", needs=PIPELINE)
def _(graph: Graph) -> None:
    images = use("media/call_pipeline_images", pipeline=pipeline("my-pipeline"), prompt="a red star", count=2, seed=7)
    graph.output("images", images)


@example("media/call_pipeline_frames", "A pipeline that makes video.", needs=PIPELINE)
def _(graph: Graph) -> None:
    asked = {"prompt": "a star rises over the sea", "frames": 16, "fps": 8, "seed": 7}
    video = use("media/call_pipeline_frames", pipeline=pipeline("my-video-pipeline"), **asked)
    graph.output("video", video)


@example("media/call_pipeline_audio", "A pipeline that makes sound.", needs=PIPELINE)
def _(graph: Graph) -> None:
    asked = {"prompt": "rain on a tin roof", "seconds": 3, "seed": 7}
    graph.output("sound", use("media/call_pipeline_audio", pipeline=pipeline("my-sound-pipeline"), **asked))
