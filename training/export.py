"""Write trained models to the folders that ship: fp16 safetensors in diffusers' and transformers' own layout.

This is the only step that writes to `nodes/nodeflow_nodes/models/`. Each exporter takes the averaged weights of a run.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from training import base, control, gan, generator, language, lora, sampler, text_encoder, tokenizer, unet, vae
from training.cards import write_card
from training.shipped import GAN, ROOT, SHAPES, UNET

FACTS = {
    "prediction": "flow",
    "timestep_scale": 1000.0,
    "text_max_length": tokenizer.LENGTH,
    "text_padding": "max_length",
    "text_sequence": "last_hidden_state",
    "text_pooled": "pooler_output",
    "unconditional_prompt": "",
    "width": 64,
    "height": 64,
    "latent_channels": 4,
    "latent_factor": 4,
    "steps": sampler.STEPS,
    "guidance": sampler.GUIDANCE,
    "shift": sampler.SHIFT,
}


def half(module: nn.Module) -> nn.Module:
    return module.to(torch.float16)


def fresh(name: str) -> Path:
    """An empty folder for a model."""
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_index(folder: Path, name: str, parts: dict[str, list[str]], facts: dict[str, object]) -> None:
    index = {"_class_name": name, "_diffusers_version": "0.42.1", **parts, "nodeflow": facts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def tidy(folder: Path) -> None:
    """Make weights readable by all, and take out of the configs what should not be there."""
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    for path in folder.rglob("*config.json"):
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        if config.get("_class_name") == "AutoencoderTiny":
            config.pop("block_out_channels", None)  # diffusers writes it and then warns that it does not know it
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def export_base(run: str = "base") -> Path:
    from diffusers import FlowMatchEulerDiscreteScheduler

    folder = fresh(SHAPES)
    half(base.load(run)).save_pretrained(folder / "transformer")
    half(text_encoder.load()).save_pretrained(folder / "text_encoder")
    text_encoder.words().save_pretrained(folder / "tokenizer")
    half(vae.load()).save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler(shift=sampler.SHIFT).save_pretrained(folder / "scheduler")
    parts = {
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "vae": ["diffusers", "AutoencoderTiny"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    }
    write_index(folder, "FlowMatchTextToImage", parts, FACTS)
    tidy(folder)
    write_card(folder, "base", run)
    return folder


def export_unet(run: str = "unet") -> Path:
    """The U-Net and its scheduler alone: text encoder, tokenizer and VAE are those of the default model."""
    folder = fresh(UNET)
    half(unet.load(run)).save_pretrained(folder / "unet")
    unet.schedule().save_pretrained(folder / "scheduler")
    parts = {"unet": ["diffusers", "UNet2DConditionModel"], "scheduler": ["diffusers", "DDIMScheduler"]}
    facts = {**FACTS, "prediction": "v_prediction", "timestep_scale": 1.0, "text_pooled": None, "shift": None}
    write_index(folder, "NoiseScheduleTextToImage", parts, {**facts, "shares": SHAPES})
    tidy(folder)
    write_card(folder, "unet", run)
    return folder


def export_control(run: str = "control") -> Path:
    folder = fresh("controlnet/shapes-64-edges")
    half(control.load(base.load())).save_pretrained(folder)
    tidy(folder)
    write_card(folder, "control", run)
    return folder


def export_lora(run: str = "lora-sticker") -> Path:
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    path = ROOT / "loras" / "shapes-64-sticker.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = {f"transformer.{k}": v.half().contiguous() for k, v in get_peft_model_state_dict(lora.load()).items()}
    about = {"format": "pt", "base_model": "shapes-64", "trigger": "sticker", "rank": str(lora.RANK)}
    save_file(layers, path, metadata=about)
    write_card(path, "lora", run)
    return path


def mark_start(folder: Path) -> None:
    """Say in the tokenizer's settings that texts begin with the start token, as they did in training."""
    path = folder / "tokenizer_config.json"
    settings = {**json.loads(path.read_text()), "add_bos_token": True}
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def export_language(run: str = "language") -> Path:
    folder = fresh("language_models/shapes-lm")
    half(language.load()).save_pretrained(folder)
    language.words().save_pretrained(folder)
    mark_start(folder)
    tidy(folder)
    write_card(folder, "language", run)
    return folder


def export_gan(run: str = "gan") -> Path:
    from safetensors.torch import save_file

    folder = fresh(GAN)
    layers, module = generator.whole(gan.load(run), vae.load())
    about = {"format": "nodeflow-generator/1", "latent": generator.LATENT, "width": 64, "height": 64, "layers": layers}
    (folder / "generator.json").write_text(json.dumps(about, indent=2) + "\n")
    save_file({k: v.half().contiguous() for k, v in module.state_dict().items()}, folder / "generator.safetensors")
    write_card(folder, "gan", run)
    return folder


EXPORTERS: dict[str, Callable[..., Path]] = {
    "base": export_base,
    "unet": export_unet,
    "control": export_control,
    "lora": export_lora,
    "language": export_language,
    "gan": export_gan,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(EXPORTERS))
    parser.add_argument("--run", help="the run to take instead of the model's own")
    options = parser.parse_args()
    folder = EXPORTERS[options.model](*([options.run] if options.run else []))
    files = [folder] if folder.is_file() else [f for f in folder.rglob("*") if f.is_file()]
    print(folder, f"{sum(f.stat().st_size for f in files) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
