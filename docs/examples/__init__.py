"""An example recipe for every node: `docs/examples/<pack>/<node>.json`, and what comes of it.

The modules `for_<pack>` build the recipes (`kit` has what they share), `results` runs them and keeps what came out:
pictures in `docs/images/nodes/`, short values in `results.json`; `pages` shows them. `python -m docs.generate` does all
of it.
"""

from docs.examples import (
    for_diffusion,
    for_flow,
    for_gan,
    for_image,
    for_language,
    for_latent,
    for_mask,
    for_media,
    for_value,
)
from docs.examples.kit import EXAMPLES, Example

PACKS = (for_diffusion, for_flow, for_gan, for_image, for_language, for_latent, for_mask, for_media, for_value)

__all__ = ["EXAMPLES", "PACKS", "Example"]
