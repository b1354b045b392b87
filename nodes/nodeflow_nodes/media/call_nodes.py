"""Calling a diffusers pipeline, with typed results: pictures, frames, or sound."""

from __future__ import annotations

from typing import Annotated, Any

from nodeflow import Audio, Context, Image, Mask, Multiline, NodeError, Pipeline, Range, Seed, Video, node

Text = Annotated[str, Multiline()]
Steps = Annotated[int, Range(0, 1000, step=1)]
Guidance = Annotated[float, Range(-1, 100, step=0.5)]
Side = Annotated[int, Range(0, 8192, step=8, unit="pixels")]
Extra = Annotated[str, Multiline()]


@node("media/call_pipeline_images", device=True, title="Pictures from a pipeline")
def call_pipeline_images(
    pipeline: Pipeline,
    prompt: Text = "",
    negative: Text = "",
    steps: Steps = 0,
    guidance: Guidance = -1.0,
    width: Side = 0,
    height: Side = 0,
    count: Annotated[int, Range(1, 1000, step=1)] = 1,
    seed: Seed = 0,
    image: Image | None = None,
    mask: Mask | None = None,
    extra: Extra = "",
    *,
    ctx: Context,
) -> Image:
    """Make pictures with a diffusers pipeline.

    What is left at its default is left to the pipeline. An input that the pipeline does not have is an error, not
    ignored.

    Args:
        pipeline: a whole pipeline.
        prompt: what the picture should show; empty: none is given.
        negative: what it should not show; empty: none is given.
        steps: denoising steps; 0: the pipeline's own number.
        guidance: how strongly the prompt is followed; -1: the pipeline's own value.
        width: of the picture; 0: the pipeline's own.
        height: of the picture; 0: the pipeline's own.
        count: how many pictures, made one after another; picture i is the one that seed + i gives alone.
        seed: where chance begins.
        image: a picture to start from, for pipelines that take one.
        mask: 1 where the picture is to be painted anew, for inpainting pipelines.
        extra: further arguments of the pipeline's call as a JSON object, such as `{"strength": 0.5}`.

    Returns:
        The pictures, [B, C, H, W], 0..1.
    """
    from .pipelines import pictures, result

    given = _common(prompt, negative, steps, guidance)
    given |= {"width": width or None, "height": height or None, "image": image, "mask_image/mask": mask}
    made = []
    with ctx.weights.use(pipeline, ctx.device) as module:
        import torch

        for number in range(count):
            outcome = module.call(given, extra, (seed + number) % 2**64, ctx)
            made.append(pictures(result(outcome, "images", "image", of=module.name)))
    return torch.cat(made)


@node("media/call_pipeline_frames", device=True, title="Video from a pipeline")
def call_pipeline_frames(
    pipeline: Pipeline,
    prompt: Text = "",
    negative: Text = "",
    steps: Steps = 0,
    guidance: Guidance = -1.0,
    width: Side = 0,
    height: Side = 0,
    frames: Annotated[int, Range(0, 10000, step=1)] = 0,
    fps: Annotated[float, Range(0.1, 120, unit="frames/s")] = 8.0,
    seed: Seed = 0,
    image: Image | None = None,
    extra: Extra = "",
    *,
    ctx: Context,
) -> Video:
    """Make a moving picture with a diffusers pipeline.

    What is left at its default is left to the pipeline. An input that the pipeline does not have is an error, not
    ignored.

    Args:
        pipeline: a whole pipeline.
        prompt: what the video should show; empty: none is given.
        negative: what it should not show; empty: none is given.
        steps: denoising steps; 0: the pipeline's own number.
        guidance: how strongly the prompt is followed; -1: the pipeline's own value.
        width: of the frames; 0: the pipeline's own.
        height: of the frames; 0: the pipeline's own.
        frames: how many; 0: the pipeline's own number.
        fps: at how many frames a second the result is shown.
        seed: where chance begins.
        image: a picture to start from, for pipelines that take one.
        extra: further arguments of the pipeline's call as a JSON object, such as `{"decode_chunk_size": 4}`.

    Returns:
        The video, frames [T, C, H, W], 0..1.
    """
    from .pipelines import pictures, result

    given = _common(prompt, negative, steps, guidance)
    given |= {"width": width or None, "height": height or None, "image": image}
    given |= {"num_frames/video_length": frames or None}
    with ctx.weights.use(pipeline, ctx.device) as module:
        outcome = module.call(given, extra, seed, ctx)
        return Video(pictures(result(outcome, "frames", "images", of=module.name)), float(fps))


@node("media/call_pipeline_audio", device=True, title="Sound from a pipeline")
def call_pipeline_audio(
    pipeline: Pipeline,
    prompt: Text = "",
    negative: Text = "",
    steps: Steps = 0,
    guidance: Guidance = -1.0,
    seconds: Annotated[float, Range(0, 3600, unit="s")] = 0.0,
    rate: Annotated[int, Range(0, 192000, step=1, unit="Hz")] = 0,
    seed: Seed = 0,
    extra: Extra = "",
    *,
    ctx: Context,
) -> Audio:
    """Make sound with a diffusers pipeline.

    What is left at its default is left to the pipeline. An input that the pipeline does not have is an error, not
    ignored.

    Args:
        pipeline: a whole pipeline.
        prompt: what the sound should be; empty: none is given.
        negative: what it should not be; empty: none is given.
        steps: denoising steps; 0: the pipeline's own number.
        guidance: how strongly the prompt is followed; -1: the pipeline's own value.
        seconds: how long; 0: the pipeline's own length.
        rate: samples a second of the result; 0: what the pipeline's parts say.
        seed: where chance begins.
        extra: further arguments of the pipeline's call as a JSON object, such as `{"eta": 0.5}`.

    Returns:
        The sound, [B, C, T], -1..1.
    """
    from .pipelines import result, sampling_rate, sound

    given = _common(prompt, negative, steps, guidance)
    given |= {"audio_length_in_s/audio_end_in_s/audio_duration/duration": seconds or None}
    with ctx.weights.use(pipeline, ctx.device) as module:
        outcome = module.call(given, extra, seed, ctx)
        samples = sound(result(outcome, "audios", "audio", of=module.name))
        hertz = rate or sampling_rate(module.pipeline)
    if not hertz:
        raise NodeError(f"{module.name} does not say at which rate its sound is: set rate (Hz)")
    return Audio(samples, hertz)


def _common(prompt: str, negative: str, steps: int, guidance: float) -> dict[str, Any]:
    """Arguments that all kinds of pipelines may have; None where the pipeline's own default counts."""
    return {
        "prompt": prompt or None,
        "negative_prompt": negative or None,
        "num_inference_steps/num_steps": steps or None,
        "guidance_scale": None if guidance < 0 else guidance,
    }
