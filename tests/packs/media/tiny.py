"""Small random diffusers pipelines of three kinds, built offline."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from nodeflow import File, Pipeline
from nodeflow_nodes.media.pipeline_nodes import load_pipeline

WORDS = ["a", "red", "blue", "star", "noise", "of", "rain"]


def libraries() -> tuple[Any, Any]:
    """diffusers and transformers, whose imports warn about things that are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers
        import transformers

        _ = diffusers.StableDiffusionPipeline, diffusers.AnimateDiffPipeline, diffusers.StableAudioPipeline
        return diffusers, transformers


def handle(folder: Path) -> Pipeline:
    return load_pipeline(File(folder.name, str(folder), str(folder)))


def clip(transformers: Any) -> tuple[Any, Any]:
    """A text encoder and a tokenizer of a few words."""
    vocabulary = {f"{word}</w>": i for i, word in enumerate(WORDS)}
    vocabulary |= {"<|startoftext|>": len(WORDS), "<|endoftext|>": len(WORDS) + 1}
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=8)
    config = transformers.CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=8, bos_token_id=len(WORDS), eos_token_id=len(WORDS) + 1, pad_token_id=len(WORDS) + 1,
    )  # fmt: skip
    return transformers.CLIPTextModel(config).eval(), tokenizer


def picture_parts(diffusers: Any, transformers: Any) -> dict[str, Any]:
    """What Stable Diffusion and AnimateDiff have in common."""
    encoder, tokenizer = clip(transformers)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16, attention_head_dim=4,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8), in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, sample_size=16,
    )  # fmt: skip
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", steps_offset=1, clip_sample=False
    )
    return {"unet": unet, "vae": vae, "scheduler": scheduler, "text_encoder": encoder, "tokenizer": tokenizer}


def save_images(folder: Path) -> Path:
    diffusers, transformers = libraries()
    torch.manual_seed(0)
    parts = picture_parts(diffusers, transformers)
    more = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    diffusers.StableDiffusionPipeline(**parts, **more).save_pretrained(folder)
    return folder


def save_frames(folder: Path) -> Path:
    diffusers, transformers = libraries()
    torch.manual_seed(0)
    adapter = diffusers.MotionAdapter(
        block_out_channels=(8, 16), motion_layers_per_block=1, motion_norm_num_groups=4, motion_num_attention_heads=2
    )
    parts = picture_parts(diffusers, transformers)
    diffusers.AnimateDiffPipeline(motion_adapter=adapter, **parts).save_pretrained(folder)
    return folder


def oobleck(diffusers: Any) -> Any:
    """A small autoencoder of sound."""
    return diffusers.AutoencoderOobleck(
        encoder_hidden_size=6, downsampling_ratios=[1, 2], decoder_channels=3, decoder_input_channels=3,
        audio_channels=2, channel_multiples=[2, 4], sampling_rate=4,
    )  # fmt: skip


def save_audio(folder: Path) -> Path:
    diffusers, transformers = libraries()
    torch.manual_seed(0)
    transformer = diffusers.StableAudioDiTModel(
        sample_size=8, in_channels=3, num_layers=1, attention_head_dim=4, num_attention_heads=2,
        num_key_value_attention_heads=2, out_channels=3, cross_attention_dim=4, time_proj_dim=8,
        global_states_input_dim=8, cross_attention_input_dim=4,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the class uses an old form of weight normalisation
        vae = oobleck(diffusers)
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((f"▁{word}", -2.0) for word in WORDS)]
    tokenizer = transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=8)
    config = transformers.T5Config(
        vocab_size=len(pieces), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    diffusers.StableAudioPipeline(
        vae=vae, text_encoder=transformers.T5EncoderModel(config).eval(), tokenizer=tokenizer, transformer=transformer,
        projection_model=diffusers.StableAudioProjectionModel(
            text_encoder_dim=16, conditioning_dim=4, min_value=0, max_value=32
        ),
        scheduler=diffusers.EDMDPMSolverMultistepScheduler(
            solver_order=2, prediction_type="v_prediction", sigma_data=1.0, sigma_schedule="exponential"
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder
