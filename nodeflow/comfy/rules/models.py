"""Loaders and prompts."""

from __future__ import annotations

from nodeflow.comfy import builders as build
from nodeflow.comfy.rule import Rule, choice
from nodeflow.comfy.rules.values import DTYPE, FAMILY, FILE

COND = "conditioning"

RULES: tuple[Rule, ...] = (
    # loaders
    Rule(
        "CheckpointLoaderSimple",
        "diffusion/load_checkpoint",
        "ckpt_name>model",
        "model text_encoder vae",
        converts={"ckpt_name": FILE},
    ),
    Rule(
        "UNETLoader",
        "diffusion/load_model",
        "unet_name>model weight_dtype>precision",
        "model",
        converts={"unet_name": FILE, "weight_dtype": DTYPE},
    ),
    Rule(
        "CLIPLoader",
        "diffusion/load_text_encoder",
        "clip_name>first type>family",
        "text_encoder",
        converts={"clip_name": FILE, "type": FAMILY},
        ignores="device",
    ),
    Rule(
        "DualCLIPLoader",
        "diffusion/load_text_encoder",
        "clip_name1>first clip_name2>second type>family",
        "text_encoder",
        converts={"clip_name1": FILE, "clip_name2": FILE, "type": FAMILY},
        ignores="device",
    ),
    Rule(
        "TripleCLIPLoader",
        "diffusion/load_text_encoder",
        "clip_name1>first clip_name2>second clip_name3>third",
        "text_encoder",
        {"family": "sd3"},
        {"clip_name1": FILE, "clip_name2": FILE, "clip_name3": FILE},
    ),
    Rule("VAELoader", "diffusion/load_vae", "vae_name>vae", "vae", converts={"vae_name": FILE}),
    Rule(
        "ControlNetLoader",
        "diffusion/load_controlnet",
        "control_net_name>control_net",
        "control_net",
        converts={"control_net_name": FILE},
    ),
    Rule(
        "LoraLoader",
        "diffusion/apply_lora",
        "model clip>text_encoder lora_name>lora strength_model>strength strength_clip>text_strength",
        "model text_encoder",
        {"compat": True},
        {"lora_name": FILE},
    ),
    Rule(
        "LoraLoaderModelOnly",
        "diffusion/apply_lora_model",
        "model lora_name>lora strength_model>strength",
        "model",
        converts={"lora_name": FILE},
    ),
    Rule(
        "CLIPSetLastLayer",
        "diffusion/encode_prompt",
        "stop_at_clip_layer>clip_skip",
        "<clip",
        fits=build.clip_skip_fits,
        build=build.nothing,
        export=False,
        ignores="clip",
    ),
    # prompts
    Rule("CLIPTextEncode", "diffusion/encode_prompt", "text clip>text_encoder", COND, build=build.encode(text="text")),
    Rule(
        "CLIPTextEncodeSDXL",
        "diffusion/encode_prompt_parts",
        "clip>text_encoder text_g>clip_g text_l>clip_l",
        f"sizes.{COND}",
        build=build.encode_then(
            "sizes",
            "diffusion/sdxl_sizes",
            "width height crop_w>crop_left crop_h>crop_top target_width target_height",
            text_g="clip_g",
            text_l="clip_l",
        ),
        export=False,
    ),
    Rule(
        "CLIPTextEncodeSDXLRefiner",
        "diffusion/encode_prompt",
        "clip>text_encoder text",
        f"sizes.{COND}",
        build=build.encode_then("sizes", "diffusion/sdxl_refiner_sizes", "width height ascore>aesthetic", text="text"),
        export=False,
    ),
    Rule(
        "CLIPTextEncodeFlux",
        "diffusion/encode_prompt_parts",
        "clip>text_encoder clip_l t5xxl>t5",
        f"guidance.{COND}",
        build=build.encode_then("guidance", "diffusion/flux_guidance", "guidance", clip_l="clip_l", t5xxl="t5"),
        export=False,
    ),
    Rule(
        "CLIPTextEncodeSD3",
        "diffusion/encode_prompt_parts",
        "clip>text_encoder clip_l clip_g t5xxl>t5",
        COND,
        build=build.encode(clip_l="clip_l", clip_g="clip_g", t5xxl="t5"),
        ignores="empty_padding",
        export=False,
    ),
    Rule("ConditioningCombine", "diffusion/combine_conditioning", "conditioning_1>first conditioning_2>second", COND),
    Rule("ConditioningConcat", "diffusion/concat_conditioning", "conditioning_to>first conditioning_from>second", COND),
    Rule(
        "ConditioningAverage",
        "diffusion/average_conditioning",
        "conditioning_to>first conditioning_from>second conditioning_to_strength>share",
        COND,
    ),
    Rule("ConditioningZeroOut", "diffusion/zero_out", "conditioning", COND),
    Rule("ConditioningSetArea", "diffusion/set_area", "conditioning width height x y strength", COND),
    Rule("ConditioningSetAreaPercentage", "diffusion/set_area_share", "conditioning width height x y strength", COND),
    Rule(
        "ConditioningSetMask",
        "diffusion/set_mask",
        "conditioning mask strength set_cond_area>area_from_mask",
        COND,
        converts={"set_cond_area": choice({"default": False, "mask bounds": True})},
    ),
    Rule("ConditioningSetTimestepRange", "diffusion/time_range", "conditioning start end", COND),
    Rule("FluxGuidance", "diffusion/flux_guidance", "conditioning guidance", COND),
    Rule(
        "ControlNetApplyAdvanced",
        "diffusion/apply_control_net",
        "positive>conditioning control_net image>hint strength start_percent>start end_percent>end",
        f"{COND} negative.{COND}",
        build=build.control_advanced,
        ignores="negative vae",
    ),
    Rule(
        "ControlNetApply",
        "diffusion/apply_control_net",
        "conditioning control_net image>hint strength",
        COND,
        note="only this prompt follows the hint; there the negative one does too",
        export=False,
    ),
    Rule(
        "InpaintModelConditioning",
        "diffusion/inpaint_conditioning",
        "positive negative vae pixels>image mask noise_mask",
        "positive negative latent",
    ),
    Rule(
        "InstructPixToPixConditioning",
        "diffusion/edit_conditioning",
        "positive negative vae pixels>image",
        "positive negative latent",
    ),
)
