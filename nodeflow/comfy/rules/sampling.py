"""Sampling and latents."""

from __future__ import annotations

from nodeflow.comfy import builders as build
from nodeflow.comfy.rule import Rule, choice
from nodeflow.comfy.rules.values import CELLS, CROP, FILTERS, FROM_THE_OTHER_END, INPUT, NOISE, ON, SAMPLER

RULES: tuple[Rule, ...] = (
    # sampling
    Rule(
        "KSampler",
        "diffusion/sample",
        "model seed steps cfg>guidance sampler_name>sampler scheduler>schedule positive negative "
        "latent_image>latent denoise",
        "latent",
        {"noise": "batch", "compat": True},
        {"sampler_name": SAMPLER},
    ),
    Rule(
        "KSamplerAdvanced",
        "diffusion/sample_advanced",
        "model add_noise>noise noise_seed>seed steps cfg>guidance "
        "sampler_name>sampler scheduler>schedule positive negative "
        "latent_image>latent start_at_step>start_step end_at_step>end_step return_with_leftover_noise>leave_noise",
        "latent",
        {"compat": True},
        {"sampler_name": SAMPLER, "add_noise": NOISE, "return_with_leftover_noise": ON},
    ),
    Rule(
        "SamplerCustomAdvanced",
        "diffusion/sample_custom",
        "noise guider sampler sigmas latent_image>latent",
        "latent denoised",
        {"compat": True},
    ),
    Rule(
        "SamplerCustom",
        "diffusion/sample_custom",
        "sampler sigmas latent_image>latent",
        "latent denoised",
        {"compat": True},
        fits=build.custom_fits,
        build=build.sampler_custom,
        export=False,
    ),
    Rule("KSamplerSelect", "diffusion/sampler", "sampler_name>name", "sampler", converts={"sampler_name": SAMPLER}),
    Rule("RandomNoise", "diffusion/noise", "noise_seed>seed", "noise", {"layout": "batch"}),
    Rule("DisableNoise", "diffusion/noise", "", "noise", {"layout": "none"}),
    Rule("BasicScheduler", "diffusion/sigmas", "model scheduler>schedule steps denoise", "sigmas"),
    Rule(
        "BetaSamplingScheduler",
        "diffusion/sigmas",
        "model steps",
        "sigmas",
        {"schedule": "beta"},
        fits=build.beta_fits,
        ignores="alpha beta",
        export=False,
    ),
    Rule("SplitSigmas", "diffusion/split_sigmas", "sigmas step", "high low"),
    Rule("BasicGuider", "diffusion/guider", "model conditioning>positive", "guider", {"guidance": 1}),
    Rule("CFGGuider", "diffusion/guider", "model positive negative cfg>guidance", "guider"),
    Rule(
        "DualCFGGuider",
        "diffusion/guider_dual",
        "model cond1>positive cond2>middle negative cfg_conds>guidance cfg_cond2_negative>guidance_middle style>nested",
        "guider",
        converts={"style": choice({"regular": False, "nested": True})},
    ),
    Rule(
        "PerpNegGuider",
        "diffusion/guider_perp_neg",
        "model positive negative empty_conditioning>empty cfg>guidance neg_scale>strength",
        "guider",
        {"compat": True},
    ),
    Rule("ModelSamplingSD3", "diffusion/model_shift", "model shift", "model"),
    Rule("ModelSamplingAuraFlow", "diffusion/model_shift", "model shift", "model", ignores="sampling"),
    Rule("ModelSamplingFlux", "diffusion/model_shift_by_size", "model max_shift base_shift width height", "model"),
    Rule(
        "ModelSamplingDiscrete",
        "diffusion/model_sampling",
        "model sampling>parametrisation zsnr>zero_terminal_snr",
        "model",
        converts={"sampling": choice({"eps": "eps", "v_prediction": "v"})},
    ),
    # latents
    Rule("EmptyLatentImage", "latent/empty", "width height batch_size", "latent", {"channels": 4, "downscale": 8}),
    Rule("EmptySD3LatentImage", "latent/empty", "width height batch_size", "latent", {"channels": 16, "downscale": 8}),
    Rule("VAEDecode", "diffusion/decode", "samples>latent vae", "image"),
    Rule("VAEEncode", "diffusion/encode_image", "pixels>image vae", "latent"),
    Rule(
        "VAEDecodeTiled",
        "diffusion/decode",
        "samples>latent vae tile_size>tile overlap",
        "image",
        converts={"tile_size": CELLS, "overlap": CELLS},
        ignores="temporal_size temporal_overlap",
    ),
    Rule(
        "VAEEncodeTiled",
        "diffusion/encode_image",
        "pixels>image vae tile_size>tile overlap",
        "latent",
        converts={"tile_size": CELLS, "overlap": CELLS},
        ignores="temporal_size temporal_overlap",
    ),
    Rule("VAEEncodeForInpaint", "diffusion/encode_for_inpaint", "pixels>image vae mask grow_mask_by>grow", "latent"),
    Rule("SetLatentNoiseMask", "latent/set_noise_mask", "samples>latent mask", "latent"),
    Rule(
        "LatentUpscale",
        "latent/resize",
        "samples>latent upscale_method>filter width height crop",
        "latent",
        converts={"upscale_method": FILTERS, "crop": CROP},
    ),
    Rule(
        "LatentUpscaleBy",
        "latent/upscale",
        "samples>latent upscale_method>filter scale_by>factor",
        "latent",
        converts={"upscale_method": FILTERS},
    ),
    Rule("LatentFromBatch", "latent/pick", "samples>latent batch_index>index length>count", "latent"),
    Rule("RepeatLatentBatch", "latent/repeat", "samples>latent amount>count", "latent"),
    Rule(
        "LatentBatch",
        "latent/batch",
        "",
        "latent",
        build=build.listed("latents", "samples1", "samples2"),
        ignores="samples1 samples2",
        export=False,
    ),
    Rule(
        "LatentComposite",
        "latent/composite",
        "samples_to>destination samples_from>source x y feather",
        "latent",
        converts={"x": CELLS, "y": CELLS, "feather": CELLS},
    ),
    Rule(
        "LatentBlend",
        "latent/lerp",
        "samples1>a samples2>b blend_factor>t",
        "latent",
        converts={"blend_factor": FROM_THE_OTHER_END},
    ),
    Rule(
        "LatentFlip",
        "latent/flip",
        "samples>latent flip_method>direction",
        "latent",
        converts={"flip_method": choice({"x-axis: vertically": "vertical", "y-axis: horizontally": "horizontal"})},
    ),
    Rule("SaveLatent", "latent/save", "samples>latent filename_prefix>name", "-"),
    Rule("LoadLatent", "latent/load", "latent>path", "latent", converts={"latent": INPUT}),
)
