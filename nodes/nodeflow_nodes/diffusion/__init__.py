"""The diffusion pack: loading models, encoding prompts, sampling, decoding.

Importing it lists its nodes and imports no torch.
"""

from nodeflow_nodes.diffusion import (
    conditioning_nodes,
    encode_nodes,
    family_nodes,
    guider_nodes,
    inpaint_nodes,
    load_nodes,
    model_nodes,
    part_nodes,
    reference_nodes,
    sample_nodes,
)

__all__ = [
    "conditioning_nodes",
    "encode_nodes",
    "family_nodes",
    "guider_nodes",
    "inpaint_nodes",
    "load_nodes",
    "model_nodes",
    "part_nodes",
    "reference_nodes",
    "sample_nodes",
]
