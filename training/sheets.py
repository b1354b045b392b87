"""Contact sheets for the docs, drawn by the models that ship."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training import base, generator, released, unet, vae, world
from training.shipped import GAN, ROOT, UNET

EACH = 6


def prompts() -> list[str]:
    """Sixty held-out prompts, six of each shape."""
    scenes, texts = base.held_out_prompts(1200, 8)
    rows = torch.cat([(scenes.shape == i).nonzero()[:EACH, 0] for i in range(len(world.SHAPES))])
    return [texts[i] for i in rows]


def save(path: Path, images: Tensor) -> None:
    """Pictures [60, 3, 64, 64] as a sheet, a column for six of them."""
    from PIL import Image

    grid = images.view(-1, EACH, 3, 64, 64).permute(1, 3, 0, 4, 2).reshape(EACH * 64, -1, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((grid * 255).round().byte().numpy()).save(path, optimize=True)


def draw_all(folder: Path) -> None:
    """A sheet for each model that draws by itself and is there; both families get the same prompts and noise."""
    model = released.default_model()
    save(
        folder / "contact-sheet.png",
        vae.decode(model.autoencoder, base.draw(model.denoiser, model.encoder, prompts(), 41)),
    )
    if (ROOT / UNET).exists():
        model = released.second_model()
        latents = unet.draw(model.denoiser, model.encoder, prompts(), 41)
        save(folder / "contact-sheet-unet.png", vae.decode(model.autoencoder, latents))
    if (ROOT / GAN).exists():
        save(folder / "contact-sheet-gan.png", generator.draw(released.drawer(), 60))
