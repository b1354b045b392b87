"""Which value of `widgets_values` is which: the order of widgets of ComfyUI's own node types.

A line of the table is a type, then its widgets in order with their defaults. `*` marks one that is followed by what
happens to it after a run (`fixed`, `randomize`, …), `^` one after which an upload button has left a value.
"""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from nodeflow.comfy.report import Report, shown

CONTROL = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
_SEEDS = ("seed", "noise_seed")
_NOT_VALUES = ("control_after_generate", "upload", "videopreview", *CONTROL)

_TABLE = """
BasicGuider:
BasicScheduler: scheduler="simple"; steps=20; denoise=1
BatchImagesNode:
BetaSamplingScheduler: steps=20; alpha=0.6; beta=0.6
CFGGuider: cfg=8
CLIPLoader: clip_name=null; type="stable_diffusion"; device="default"
CLIPSetLastLayer: stop_at_clip_layer=-1
CLIPTextEncode: text=""
CLIPTextEncodeFlux: clip_l=""; t5xxl=""; guidance=3.5
CLIPTextEncodeSD3: clip_l=""; clip_g=""; t5xxl=""; empty_padding="none"
CLIPTextEncodeSDXL: width=1024; height=1024; crop_w=0; crop_h=0; target_width=1024; target_height=1024; \
text_g=""; text_l=""
CLIPTextEncodeSDXLRefiner: ascore=6; width=1024; height=1024; text=""
CLIPVisionEncode: crop="center"
CLIPVisionLoader: clip_name=null
Canny: low_threshold=0.4; high_threshold=0.8
CheckpointLoaderSimple: ckpt_name=null
ComfyMathExpression: expression="a + b"
ComfySwitchNode: switch=false
ConditioningAverage: conditioning_to_strength=1
ConditioningCombine:
ConditioningConcat:
ConditioningSetArea: width=64; height=64; x=0; y=0; strength=1
ConditioningSetAreaPercentage: width=1; height=1; x=0; y=0; strength=1
ConditioningSetAreaStrength: strength=1
ConditioningSetMask: strength=1; set_cond_area="default"
ConditioningSetTimestepRange: start=0; end=1
ConditioningZeroOut:
ControlNetApply: strength=1
ControlNetApplyAdvanced: strength=1; start_percent=0; end_percent=1
ControlNetLoader: control_net_name=null
CreateVideo: fps=30; bit_depth=null; color_space=null; codec=null
DifferentialDiffusion: strength=1
DisableNoise:
DualCFGGuider: cfg_conds=8; cfg_cond2_negative=8; style="regular"
DualCLIPLoader: clip_name1=null; clip_name2=null; type="sdxl"; device="default"
EmptyFlux2LatentImage: width=1024; height=1024; batch_size=1
EmptyHunyuanLatentVideo: width=848; height=480; length=25; batch_size=1
EmptyImage: width=512; height=512; batch_size=1; color=0
EmptyLatentImage: width=512; height=512; batch_size=1
EmptySD3LatentImage: width=1024; height=1024; batch_size=1
ExponentialScheduler: steps=20; sigma_max=14.614642; sigma_min=0.0291675
FeatherMask: left=0; top=0; right=0; bottom=0
FlipSigmas:
FluxGuidance: guidance=3.5
FreeU_V2: b1=1.3; b2=1.4; s1=0.9; s2=0.2
GetImageSize:
GetVideoComponents:
GrowMask: expand=0; tapered_corners=true
ImageBatch:
ImageBlend: blend_factor=0.5; blend_mode="normal"
ImageBlur: blur_radius=1; sigma=1
ImageCompositeMasked: x=0; y=0; resize_source=false
ImageCrop: width=512; height=512; x=0; y=0
ImageFromBatch: batch_index=0; length=1
ImageInvert:
ImagePadForOutpaint: left=0; top=0; right=0; bottom=0; feathering=40
ImageScale: upscale_method="nearest-exact"; width=512; height=512; crop="disabled"
ImageScaleBy: upscale_method="nearest-exact"; scale_by=1
ImageScaleToMaxDimension: upscale_method="area"; largest_size=512
ImageScaleToTotalPixels: upscale_method="nearest-exact"; megapixels=1; resolution_steps=1
ImageSharpen: sharpen_radius=1; sigma=1; alpha=1
ImageStitch: direction="right"; match_image_size=true; spacing_width=0; spacing_color="white"
ImageToMask: channel="red"
ImageUpscaleWithModel:
InpaintModelConditioning: noise_mask=true
InvertMask:
JoinImageWithAlpha:
KSampler: seed*=0; steps=20; cfg=8; sampler_name="euler"; scheduler="simple"; denoise=1
KSamplerAdvanced: add_noise="enable"; noise_seed*=0; steps=20; cfg=8; sampler_name="euler"; scheduler="simple"; \
start_at_step=0; end_at_step=10000; return_with_leftover_noise="disable"
KSamplerSelect: sampler_name="euler"
KarrasScheduler: steps=20; sigma_max=14.614642; sigma_min=0.0291675; rho=7
LatentBatch:
LatentBlend: blend_factor=0.5
LatentComposite: x=0; y=0; feather=0
LatentFromBatch: batch_index=0; length=1
LatentUpscale: upscale_method="nearest-exact"; width=512; height=512; crop="disabled"
LatentUpscaleBy: upscale_method="nearest-exact"; scale_by=1.5
LoadAudio: audio^=null
LoadImage: image^=null
LoadImageMask: image=null; channel^="alpha"
LoadImageOutput: image^=null
LoadLatent: latent=null
LoadVideo: file^=null
LoraLoader: lora_name=null; strength_model=1; strength_clip=1
LoraLoaderModelOnly: lora_name=null; strength_model=1
MaskComposite: x=0; y=0; operation="multiply"
MaskPreview:
MaskToImage:
ModelMergeSimple: ratio=1
ModelSamplingAuraFlow: shift=1.73; sampling=null
ModelSamplingDiscrete: sampling="eps"; zsnr=false
ModelSamplingFlux: max_shift=1.15; base_shift=0.5; width=1024; height=1024
ModelSamplingSD3: shift=3
PerpNegGuider: cfg=8; neg_scale=1
PreviewAny:
PreviewAudio:
PreviewImage:
PrimitiveBoolean: value=false
PrimitiveFloat: value=0
PrimitiveInt: value*=0
PrimitiveString: value=""
PrimitiveStringMultiline: value=""
RandomNoise: noise_seed*=0
ReferenceLatent:
RegexExtract: string=""; regex_pattern=""; mode="First Match"; case_insensitive=true; multiline=false; dotall=false; \
group_index=1
RepeatImageBatch: amount=1
RepeatLatentBatch: amount=1
RescaleCFG: multiplier=0.7
SDTurboScheduler: steps=1; denoise=1
SamplerCustom: add_noise=true; noise_seed*=0; cfg=8
SamplerCustomAdvanced:
SaveAnimatedWEBP: filename_prefix="ComfyUI"; fps=6; lossless=true; quality=80; method="default"
SaveAudio: filename_prefix="audio/ComfyUI"
SaveAudioMP3: filename_prefix="audio/ComfyUI"; quality="V0"
SaveImage: filename_prefix="ComfyUI"
SaveLatent: filename_prefix="latents/ComfyUI"
SaveVideo: filename_prefix="video/ComfyUI"; format="auto"; codec="auto"; codec_2=null
SaveWEBM: filename_prefix="ComfyUI"; codec="vp9"; fps=24; crf=32
SetLatentNoiseMask:
SolidMask: value=1; width=512; height=512
SplitSigmas: step=0
SplitSigmasDenoise: denoise=1
StringConcatenate: string_a=""; string_b=""; delimiter=""
StringReplace: string=""; find=""; replace=""
StyleModelApply: strength=1; strength_type="multiply"
StyleModelLoader: style_model_name=null
ThresholdMask: value=0.5
TripleCLIPLoader: clip_name1=null; clip_name2=null; clip_name3=null
UNETLoader: unet_name=null; weight_dtype="default"
UpscaleModelLoader: model_name=null
VAEDecode:
VAEDecodeTiled: tile_size=512; overlap=64; temporal_size=64; temporal_overlap=8
VAEEncode:
VAEEncodeForInpaint: grow_mask_by=6
VAEEncodeTiled: tile_size=512; overlap=64; temporal_size=64; temporal_overlap=8
VAELoader: vae_name=null
"""


class Widget(NamedTuple):
    name: str
    default: Any
    control: bool
    upload: bool


@functools.cache
def table() -> dict[str, tuple[Widget, ...]]:
    """The widgets of each known type, in order."""
    result = {}
    for line in _TABLE.strip().splitlines():
        kind, _, rest = line.partition(":")
        parts = [part.partition("=") for part in rest.strip().split("; ") if part]
        result[kind] = tuple(
            Widget(name.rstrip("*^"), json.loads(default), name.endswith("*"), name.endswith("^"))
            for name, _, default in parts
        )
    return result


def defaults(kind: str) -> dict[str, Any]:
    """What ComfyUI takes for widgets that a file does not give."""
    return {w.name: w.default for w in table().get(kind, ()) if w.default is not None}


def named_values(
    node: str, kind: str, values: Any, named: Any, sockets: list[str], report: Report
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of a node's widgets by name, and what is to happen to seeds after a run.

    Args:
        values: `widgets_values`: a list, an object, or anything. named: `widgets_values_named`.
        sockets: names of the widgets among the node's input entries, in order.
    """
    if isinstance(values, dict):
        return {str(k): v for k, v in values.items() if k != "videopreview"}, {}
    values = values if isinstance(values, list) else []
    if isinstance(named, dict) and named and (len(named) == len(values) or kind not in table()):
        if len(named) == len(values):
            changed = [k for (k, v), w in zip(named.items(), values, strict=True) if v != w]
            if changed:
                report.add("repaired", f"{changed[0]!r} has two values; that of the list counts", node, kind)
            pairs = list(zip(named, values, strict=True))
        else:
            report.add("repaired", "the two lists of its values differ in length; the named one counts", node, kind)
            pairs = list(named.items())
        return _of_pairs(pairs)
    if kind in table():
        return _of_table(node, kind, values, report)
    return _of_sockets(node, kind, values, sockets, report)


def _of_pairs(pairs: list[tuple[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    result: dict[str, Any] = {}
    control: dict[str, str] = {}
    last = ""
    for name, value in pairs:
        plain = name.partition("#")[0]
        if plain in _NOT_VALUES:
            if plain not in ("upload", "videopreview") and isinstance(value, str):
                control[last] = value
            continue
        result[name] = value
        last = name
    return result, control


def _of_table(node: str, kind: str, values: list[Any], report: Report) -> tuple[dict[str, Any], dict[str, str]]:
    widgets = table()[kind]
    result: dict[str, Any] = {}
    control: dict[str, str] = {}
    rest = list(values)
    for widget in widgets:
        if not rest:
            break
        value = rest.pop(0)
        if value is not None:
            result[widget.name] = value
        if widget.control and rest and (isinstance(rest[0], bool) or rest[0] in CONTROL):
            after = rest.pop(0)
            control[widget.name] = after if isinstance(after, str) else "randomize" if after else "fixed"
    if any(w.upload for w in widgets):
        rest = [v for v in rest if v not in (None, "", "image")]
    if any(v is not None for v in rest):
        report.add("repaired", f"{len(rest)} values beyond the known ones are ignored", node, kind, got=shown(rest[0]))
    return result, control


def _of_sockets(
    node: str, kind: str, values: list[Any], sockets: list[str], report: Report
) -> tuple[dict[str, Any], dict[str, str]]:
    """For unknown types: newer files list the widgets among the inputs; else values get numbers for names."""
    if len(sockets) == len(values):
        return dict(zip(sockets, values, strict=True)), {}
    result: dict[str, Any] = {}
    control: dict[str, str] = {}
    rest = list(values)
    for name in sockets:
        if not rest:
            break
        result[name] = rest.pop(0)
        if name in _SEEDS and rest and rest[0] in CONTROL:
            control[name] = rest.pop(0)
    if sockets and not [v for v in rest if v not in (None, "", "image")]:
        return result, control
    if values:
        report.add("repaired", "the names of its values are not known; they are numbered", node, kind)
    return {f"widget_{i}": value for i, value in enumerate(values)}, {}
