"""A picture run through a network tile by tile.

Neighbouring tiles share `overlap` pixels. Of these the outer quarter at a tile's edge is thrown away, because what the
network gives there depends on what it cannot see; over the middle half one tile fades into the other. A network that
looks no further than a quarter of the overlap gives the same picture as without tiles; one that looks further gives
nearly the same, without seams.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

Check = Callable[[int, int], None]


def starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along a side; the last one ends with the side. All are multiples of what the arguments are."""
    if size <= tile:
        return [0]
    return [*range(0, size - tile, tile - overlap), size - tile]


def ramp(size: int, overlap: int, first: bool, last: bool) -> Tensor:
    """Weights along a tile's side, 0..1: rising over `overlap` at its start if `first`, falling at its end if `last`.

    Over n = `overlap` pixels: pixel k rises to clamp((k + ½ - n/4) / (n/2), 0, 1).
    """
    weights = torch.ones(size)
    if overlap:
        rise = ((torch.arange(overlap) + 0.5 - overlap / 4) / (overlap / 2)).clamp(0, 1)
        if first:
            weights[:overlap] = rise
        if last:
            weights[size - overlap :] = torch.minimum(weights[size - overlap :], rise.flip(0))
    return weights


def filled(picture: Tensor, multiple: int) -> Tensor:
    """The picture [B, C, H, W] with sides that are multiples: mirrored at its end (repeated if it is too small)."""
    height, width = picture.shape[-2:]
    right, below = -width % multiple, -height % multiple
    if not right and not below:
        return picture
    return pad(picture, (0, right, 0, below), mode="reflect" if right < width and below < height else "replicate")


def run_tiled(
    run: Callable[[Tensor], Tensor],
    picture: Tensor,
    *,
    scale: int,
    tile: int,
    overlap: int,
    multiple: int = 1,
    check: Check = lambda done, total: None,
) -> Tensor:
    """Run a network on pictures, one after another, in tiles.

    Args:
        run: [1, C, h, w] → [1, D, h·scale, w·scale], for sides that are multiples of `multiple`.
        picture: [B, C, H, W]; see `filled` where H and W are no multiples of `multiple`.
        tile: side of the tiles in source pixels; 0: the whole picture.
        overlap: source pixels that neighbours share, less than half a tile.
        check: called with (tiles done, all tiles) before each tile; may raise to stop.

    Returns:
        [B, D, H·scale, W·scale] on the CPU, float32.
    """
    batch, _, height, width = picture.shape
    padded = filled(picture, multiple)
    rows, columns = padded.shape[2:]
    tile, overlap = (-(-length // multiple) * multiple for length in (tile, overlap))
    tile = tile or max(rows, columns)
    places = [(y, x) for y in starts(rows, tile, overlap) for x in starts(columns, tile, overlap)]
    results = []
    for item in range(batch):
        total = weights = None
        for number, (y, x) in enumerate(places):
            check(item * len(places) + number, batch * len(places))
            h, w = min(tile, rows - y), min(tile, columns - x)
            piece = run(padded[item : item + 1, :, y : y + h, x : x + w]).float().cpu()
            if len(places) == 1:
                total, weights = piece, torch.ones(())
                break
            if total is None or weights is None:
                total = torch.zeros(1, piece.shape[1], rows * scale, columns * scale)
                weights = torch.zeros(1, 1, rows * scale, columns * scale)
            share = ramp(h * scale, overlap * scale, y > 0, y + h < rows)[:, None]
            share = share * ramp(w * scale, overlap * scale, x > 0, x + w < columns)
            place = (..., slice(y * scale, (y + h) * scale), slice(x * scale, (x + w) * scale))
            total[place] += piece * share
            weights[place] += share
        assert total is not None
        results.append((total / weights)[..., : height * scale, : width * scale])
    return torch.cat(results)
