"""The second family: a small U-Net with a noise schedule (v-prediction, DDIM), in Stable Diffusion 1's layout.

It takes `sample, timestep, encoder_hidden_states` and nothing else, as Stable Diffusion 1 does: the text reaches every
residual block through `addition_embed_type="text"` (pooled by attention, added to the time embedding, which scales and
shifts each block), besides cross-attention. Most of its weights work on 8x8 places, where the default model's tokens
are too; as there, a linear head on the middle has to say where the outline is, and is thrown away afterwards.
"""

from __future__ import annotations

import argparse
import warnings

import torch
from torch import Tensor, nn

from training import base, captions, judge, sampler, text_encoder, vae, world
from training.loop import Loss, Settings, averaged, home, rng, train, workers
from training.shipped import UNET, fill

CONFIG = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (32, 112),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
    "attention_head_dim": 4,
    "norm_num_groups": 8,
    "cross_attention_dim": text_encoder.WIDTH,
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 4,
    "resnet_time_scale_shift": "scale_shift",
}


def schedule() -> object:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def build() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    return UNet2DConditionModel(**CONFIG)


class Student(nn.Module):
    """The U-Net and the outline head on its middle."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet
        width = unet.config.block_out_channels[-1]
        self.hint = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 16))
        self._seen: Tensor | None = None
        unet.mid_block.register_forward_hook(self._keep)

    def _keep(self, _block: nn.Module, _inputs: object, output: Tensor) -> None:
        self._seen = output

    def forward(self, x: Tensor, times: Tensor, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """v [B, 4, 16, 16], and the outline [B, 32, 32] as the middle sees it."""
        out = self.unet(x, times, sequence, return_dict=False)[0]
        seen, self._seen = self.hint(self._seen.flatten(2).transpose(1, 2)), None
        return out, base.unfolded(seen)


def _loss(data: dict[str, Tensor], scenes: world.Scenes, encoder: nn.Module, alphas: Tensor) -> Loss:
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(scenes), (count,), generator=generator)
        clean, outline = data["latents"][rows].float(), data["outlines"][rows].float()
        texts, _ = captions.describe(scenes[rows], generator)
        dropped = (torch.rand(count, generator=generator) < base.DROP).tolist()
        texts = ["" if gone else text for text, gone in zip(texts, dropped, strict=True)]
        # high noise somewhat more often: that is where places and shapes are decided
        times = (1000 * torch.rand(count, generator=generator) ** 0.8).long().clamp(max=999)
        a = alphas[times][:, None, None, None]
        noise = torch.randn(clean.shape, generator=generator)
        x = a.sqrt() * clean + (1 - a).sqrt() * noise
        out, seen = model(x, times, text_encoder.encode(encoder, texts)[0])
        v = base.weighted(out.float() - (a.sqrt() * noise - (1 - a).sqrt() * clean), outline)
        hint = base.outline_miss(seen, outline)
        return v + base.HINT * hint, {"v": float(v.detach()), "hint": float(hint.detach())}

    return loss


@torch.no_grad()
def draw(
    model: nn.Module, encoder: nn.Module, texts: list[str], seed: int, steps: int = sampler.STEPS, guidance: float = 3.0
) -> Tensor:
    """Latents for prompts, by DDIM."""
    noise = torch.stack([torch.randn(4, 16, 16, generator=rng(seed, i)) for i in range(len(texts))])
    empty = text_encoder.encode(encoder, [""])[0]
    parts = []
    for start in range(0, len(texts), 64):
        text = text_encoder.encode(encoder, texts[start : start + 64])[0]
        both = torch.cat([empty.expand(len(text), -1, -1), text])

        def predict(x: Tensor, time: int, both: Tensor = both) -> Tensor:
            without, with_ = model(torch.cat([x, x]), time, both, return_dict=False)[0].chunk(2)
            return without + guidance * (with_ - without)

        parts.append(sampler.ddim(predict, noise[start : start + 64], schedule().alphas_cumprod, steps))
    return torch.cat(parts)


def load(name: str = "unet") -> nn.Module:
    return averaged(name, Student(build())).unet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="unet")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--from-shipped", action="store_true", help="begin with the exported weights, not at random")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    workers(options.workers)
    data = base.dataset("plain", base.POOL, base.plain)
    scenes = base.gather([base.plain(start) for start in range(0, base.POOL, base.CHUNK)])
    encoder = text_encoder.load()
    asked, texts = base.held_out_prompts(64)

    def report(student: nn.Module, _step: int) -> dict[str, float]:
        if not (home("judge") / "checkpoint.pt").exists():
            return {}
        images = vae.decode(vae.load(), draw(student.unet, encoder, texts, 3, 10))
        scores = judge.accuracy(judge.load(), images, asked)
        return {f"held_out_{k}": scores[k] for k in ("background", "colour", "shape", "position", "size", "all")}

    torch.manual_seed(0)
    settings = Settings(
        options.name,
        options.steps,
        batch=64,
        shards=2,
        rate=1.2e-3,
        warmup=200,
        ema=0.999,
        bf16=options.bf16,
        save_every=360,
    )
    student = Student(build())
    if options.from_shipped:
        fill(student.unet, "unet", UNET).requires_grad_(True).train()
    train(settings, student, _loss(data, scenes, encoder, schedule().alphas_cumprod), on_save=report)


if __name__ == "__main__":
    main()
