"""Masks, sound, moving pictures and values."""

from __future__ import annotations

from nodeflow.comfy import builders as build
from nodeflow.comfy.rule import Rule, choice
from nodeflow.comfy.rules.values import INPUT, MASK_MODE

RULES: tuple[Rule, ...] = (
    # masks
    Rule("MaskToImage", "mask/to_image", "mask", "image"),
    Rule("ImageToMask", "mask/from_channel", "image channel", "mask"),
    Rule("InvertMask", "mask/invert", "mask", "mask"),
    Rule(
        "GrowMask",
        "mask/grow",
        "mask expand>pixels tapered_corners>form",
        "mask",
        converts={
            "tapered_corners": choice({True: "round", False: "square"}, "corners are round instead of slanted", (True,))
        },
        fits=build.grows,
    ),
    Rule("FeatherMask", "mask/feather_sides", "mask left top right bottom", "mask"),
    Rule("SolidMask", "mask/solid", "value width height", "mask"),
    Rule(
        "MaskComposite",
        "mask/combine",
        "destination>a source>b x y operation>mode",
        "mask",
        converts={"operation": MASK_MODE},
    ),
    Rule("ThresholdMask", "mask/from_threshold", "mask>image value>threshold", "mask", {"mark": "above"}),
    Rule("MaskPreview", "mask/preview", "mask", "-", show="image"),
    # sound and moving pictures
    Rule(
        "LoadVideo",
        "media/load_video",
        "file>path",
        "video",
        converts={"file": INPUT},
        ignores="upload",
        note="reads animated WebP, PNG and GIF, no MP4",
    ),
    Rule("GetVideoComponents", "media/video_frames", "video", "image", note="frames only, no sound and no rate"),
    Rule("CreateVideo", "media/frames_to_video", "images>frames fps", "video", ignores="bit_depth color_space codec"),
    Rule(
        "SaveVideo",
        "media/save_video",
        "video filename_prefix>name",
        "-",
        note="writes WebP, no MP4",
        ignores="format codec codec_2 format.codec codec.encoding",
    ),
    Rule(
        "LoadAudio",
        "media/load_audio",
        "audio>path",
        "audio",
        converts={"audio": INPUT},
        ignores="upload audioUI",
        note="reads WAV only",
    ),
    Rule(
        "SaveAudio",
        "media/save_audio",
        "audio filename_prefix>name",
        "-",
        note="writes WAV instead of FLAC",
        ignores="audioUI",
    ),
    # values
    Rule("PrimitiveInt", "value/integer", "value", "value", fits=build.small_integer),
    Rule("PrimitiveFloat", "value/float", "value", "value"),
    Rule("PrimitiveString", "value/text", "value", "text", export=False),
    Rule("PrimitiveStringMultiline", "value/text", "value", "text"),
    Rule("PrimitiveBoolean", "value/boolean", "value", "value"),
    Rule("StringConcatenate", "value/join_text", "string_a>a string_b>b delimiter>separator", "text"),
    Rule("StringReplace", "value/replace_text", "string>text find replace", "text"),
    Rule("ComfySwitchNode", "value/switch", "switch>condition on_true on_false", "value"),
    Rule(
        "ComfyMathExpression",
        "value/expression",
        "expression values.a>a values.b>b values.c>c values.d>d",
        "number integer boolean",
    ),
    Rule("PreviewAny", "value/show", "source>value", "text", show="text"),
)
