"""The picture autoencoder: 64x64 pictures to 4x16x16 latents and back (`AutoencoderTiny`).

Two stages. Encoder and decoder together, on crops; then the encoder is frozen, its per-channel mean and spread are
folded into its last convolution (latents have zero mean and unit spread with scaling_factor 1), and the decoder goes on
alone. Only the first stage has to be finished before a denoiser can be trained: the second leaves latents alone.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from training import world
from training.loop import Settings, averaged, home, rng, train, workers
from training.shipped import fill

CHANNELS = 48
NOISE = 0.1
POOL = 12_288


def build() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import AutoencoderTiny
    return AutoencoderTiny(
        encoder_block_out_channels=(CHANNELS,) * 3,
        decoder_block_out_channels=(CHANNELS,) * 3,
        num_encoder_blocks=(0, 1, 3),
        num_decoder_blocks=(4, 2, 0),
        latent_channels=4,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


def pictures(count: int, seed: int) -> Tensor:
    """[count, 3, 64, 64] uint8 of every kind the world has, without held-out combinations; kept on disk."""
    path = home("data") / f"pictures-{count}-{seed}.pt"
    if path.exists():
        return torch.load(path, weights_only=True)
    parts = []
    for start in range(0, count, 256):
        generator = rng(seed, start)
        scenes = world.sample_scenes(256, generator, extras=0.3, stickers=0.12)
        if start % 1024 == 0:
            drawn = world.render(*world.second_objects(scenes, generator))
        else:
            drawn = world.render(scenes)
        parts.append((drawn * 255).round().byte())
    result = torch.cat(parts)
    part = path.with_suffix(f".{torch.randint(10**9, ()).item()}.part")
    torch.save(result, part)
    part.replace(path)
    return result


def crops(pool: Tensor, count: int, side: int, generator: torch.Generator) -> Tensor:
    """[count, 3, side, side] in -1..1, anywhere in random pictures of the pool."""
    rows = torch.randint(len(pool), (count,), generator=generator).tolist()
    corners = torch.randint((world.SIZE - side) // 4 + 1, (count, 2), generator=generator).mul(4).tolist()
    cut = [pool[i, :, y : y + side, x : x + side] for i, (y, x) in zip(rows, corners, strict=True)]
    return torch.stack(cut).float() / 127.5 - 1


def _difference(out: Tensor, goal: Tensor) -> Tensor:
    miss = out - goal
    slopes = (miss.diff(dim=2).abs().mean() + miss.diff(dim=3).abs().mean()) / 2
    return miss.abs().mean() + 2 * miss.square().mean() + slopes


def psnr(out: Tensor, goal: Tensor) -> float:
    """For values in -1..1."""
    return float(-10 * torch.log10((out.clamp(-1, 1) - goal).square().mean() / 4))


def _loss_together(pool: Tensor):
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        goal = crops(pool, count, 32, generator)
        latent = model.encoder(goal)
        mean, spread = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
        noisy = latent + NOISE * torch.randn(latent.shape, generator=generator)
        out = model.decoder(noisy)
        value = _difference(out, goal) + 0.02 * (mean.square() + (spread - 1).square()).sum()
        return value, {"psnr": psnr(out.detach(), goal), "spread": float(spread.detach().mean())}

    return loss


def _loss_decoder(pool: Tensor):
    def loss(model: nn.Module, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        goal = crops(pool, count, 32, generator)
        with torch.no_grad():
            latent = model.encoder(goal)
            latent += 0.6 * NOISE * torch.randn(latent.shape, generator=generator)
        out = model.decoder(latent)
        return _difference(out, goal), {"psnr": psnr(out.detach(), goal)}

    return loss


def fold(model: nn.Module, pool: Tensor) -> None:
    """Make the encoder's latents zero mean and unit spread per channel, exactly, by scaling its last convolution."""
    with torch.no_grad():
        latent = model.encoder(pool[:1024].float() / 127.5 - 1)
        mean, spread = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
        last = model.encoder.layers[-1]
        last.weight /= spread[:, None, None, None]
        last.bias.copy_((last.bias - mean) / spread)
        first = model.decoder.layers[0]  # not exact because of the decoder's clamp; stage two settles the rest
        first.bias += (first.weight * mean[None, :, None, None]).sum((1, 2, 3))
        first.weight *= spread[None, :, None, None]


def _fold_once(path: Path, pool: Tensor) -> None:
    if not path.exists():
        model = averaged("vae", build())
        fold(model, pool)
        torch.save(model.state_dict(), path)


def load(*, latest: bool = True) -> nn.Module:
    """The folded autoencoder; `latest` takes the decoder from stage two when that has begun.

    Without the runs' checkpoints it is the one that ships.
    """
    model = build()
    if not (home("vae") / "folded.pt").exists():
        return fill(model, "vae")
    if latest and (home("vae-decoder") / "checkpoint.pt").exists():
        return averaged("vae-decoder", model)
    model.load_state_dict(torch.load(home("vae") / "folded.pt", weights_only=True))
    return model.requires_grad_(False).eval()


@torch.no_grad()
def encode(model: nn.Module, images: Tensor) -> Tensor:
    """[B, 3, 64, 64] in 0..1 to latents [B, 4, 16, 16]."""
    return model.encoder(images * 2 - 1)


@torch.no_grad()
def decode(model: nn.Module, latents: Tensor) -> Tensor:
    """Latents to pictures in 0..1."""
    return (model.decoder(latents) / 2 + 0.5).clamp(0, 1)


def measure(model: nn.Module, count: int = 256) -> dict[str, float]:
    """PSNR of round trips of fresh plain pictures whose combinations were held out."""
    images = world.render(world.sample_scenes(count, rng(99, 7), "held_out"))
    return {"psnr_held_out": psnr(decode(model, encode(model, images)) * 2 - 1, images * 2 - 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=("together", "decoder"), default="together")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    workers(options.workers)
    pool = pictures(POOL, 1)
    torch.manual_seed(0)
    shared = {"batch": 64, "shards": 2, "weight_decay": 1e-4, "warmup": 100, "ema": 0.995, "decay": 0.5}
    if options.stage == "together":
        train(Settings("vae", options.steps, rate=2e-3, **shared), build(), _loss_together(pool), on_save=_report)
        _fold_once(home("vae") / "folded.pt", pool)
    else:
        model = load(latest=False)
        model.decoder.requires_grad_(True)
        settings = Settings("vae-decoder", options.steps, rate=1e-3, **shared)
        train(settings, model, _loss_decoder(pool), on_save=_report)


def _report(model: nn.Module, step: int) -> dict[str, float]:
    return measure(model)


if __name__ == "__main__":
    main()
