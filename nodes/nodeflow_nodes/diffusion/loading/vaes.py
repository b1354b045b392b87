"""Loaded autoencoders: pictures 0..1 to raw latents and back, whole or in overlapping tiles.

Latents are the encoder's raw means, unscaled (NUMERICS §8): scaling belongs to the denoiser's family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from nodeflow import NodeError

from .build import build, precisions
from .convert import convert
from .spec import VaeSpec
from .tensors import read_source, release_pages

Check = Callable[[int, int], None]


class LoadedVae(nn.Module):
    """An autoencoder. `downscale`: pixels a latent cell; `latent_channels`: C of its latents."""

    def __init__(self, spec: VaeSpec, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.spec, self.network, self.dtype = spec, network, dtype
        self.downscale, self.latent_channels = spec.downscale, spec.latent_channels

    def make_room(self) -> None:
        """Before a large picture: give back the pages of mapped models that rest (see `release_pages`)."""
        release_pages()

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Pictures [B, 3, H, W], 0..1, sides multiples of `downscale` -> raw means, float32 [B, C, h, w]."""
        pixels = (pixels * 2 - 1).to(self.dtype)
        return self.network.encode(pixels).float()

    @torch.no_grad()
    def decode(self, samples: Tensor) -> Tensor:
        """Raw latents [B, C, h, w] -> pictures, float32 [B, 3, H, W], 0..1."""
        self._check(samples)
        out = self.network.decode(samples.to(self.dtype)).float()
        return out.add_(1).div_(2).clamp_(0, 1)

    def _check(self, samples: Tensor) -> None:
        if samples.shape[1] != self.latent_channels:
            raise NodeError(
                f"this VAE's latents have {self.latent_channels} channels, got {samples.shape[1]} "
                f"(shape {list(samples.shape)}): decode with the VAE of the model that made the latent"
            )

    def decode_tiled(self, samples: Tensor, tile: int, overlap: int, check: Check) -> Tensor:
        """Decode tiles of `tile` latent cells that overlap by `overlap`, blended linearly. Memory no longer grows with
        the picture; the result differs slightly from `decode`, since tiles do not see each other.

        Args:
            check: called with (tiles done, tiles) before each.
        """
        self._check(samples)
        scale = self.downscale
        shape = (samples.shape[0], 3, samples.shape[-2] * scale, samples.shape[-1] * scale)
        return _tiled(samples, shape, tile, overlap, scale, 1, self.decode, check)

    def encode_tiled(self, pixels: Tensor, tile: int, overlap: int, check: Check) -> Tensor:
        """Encode tiles of `tile` x `downscale` pixels, as `decode_tiled` decodes them."""
        scale = self.downscale
        shape = (pixels.shape[0], self.latent_channels, pixels.shape[-2] // scale, pixels.shape[-1] // scale)
        return _tiled(pixels, shape, tile, overlap, 1, scale, self.encode, check)


def _tiled(
    source: Tensor,
    shape: tuple[int, int, int, int],
    tile: int,
    overlap: int,
    up: int,
    down: int,
    run: Callable[[Tensor], Tensor],
    check: Check,
) -> Tensor:
    """Apply `run` to tiles and add them up, weighted by ramps over the overlaps. Sizes are in latent cells; a cell is
    `up` result pixels and `down` source pixels wide."""
    rows, columns = source.shape[-2] // down, source.shape[-1] // down
    places = [(y, x) for y in _starts(rows, tile, overlap) for x in _starts(columns, tile, overlap)]
    total = torch.zeros(shape, device=source.device)
    weights = torch.zeros((1, 1, *shape[-2:]), device=source.device)
    for index, (y, x) in enumerate(places):
        check(index, len(places))
        height, width = min(tile, rows - y), min(tile, columns - x)
        piece = run(source[..., y * down : (y + height) * down, x * down : (x + width) * down])
        ramp = _ramp(height * up, overlap * up, y > 0, y + height < rows)[:, None]
        ramp = ramp * _ramp(width * up, overlap * up, x > 0, x + width < columns)
        place = (..., slice(y * up, (y + height) * up), slice(x * up, (x + width) * up))
        total[place] += piece * ramp.to(piece)
        weights[place] += ramp.to(piece)
    return total / weights


def _starts(size: int, tile: int, overlap: int) -> Iterator[int]:
    if size <= tile:
        yield 0
        return
    yield from range(0, size - tile, tile - overlap)
    yield size - tile


def _ramp(size: int, overlap: int, first: bool, last: bool) -> Tensor:
    """Ones, rising over `overlap` at the start if `first`, falling at the end if `last`; never 0."""
    ramp = torch.ones(size)
    slope = (torch.arange(overlap) + 1.0) / (overlap + 1)
    if first and overlap:
        ramp[:overlap] = slope[:size]
    if last and overlap:
        ramp[-overlap:] *= slope.flip(0)[-size:]
    return ramp


def load_vae(spec: VaeSpec, precision: str, device: str) -> LoadedVae:
    """Build an autoencoder and give it its weights."""
    kept, dtype = precisions(precision, device, spec.source, steady=True)
    config = {name: value for name, value in spec.config.items() if not name.startswith("_")}
    if spec.architecture == "tiny":
        from .modules.tiny_vae import TinyVae

        def make() -> nn.Module:
            return TinyVae(**config)
    else:
        from .modules.kl_vae import KlVae, supports

        if not supports(config):
            raise NodeError(f"{spec.source.files[0]}: an AutoencoderKL with blocks other than Stable Diffusion's")

        def make() -> nn.Module:
            return KlVae(**config)

    tensors = convert(spec.source.convert, read_source(spec.source, kept), spec.config)
    return LoadedVae(spec, build(make, tensors, device, where=spec.source.files[0], kept=kept), dtype).eval()
