"""The diffusion pack: loading models, encoding prompts, sampling, decoding.

Importing it lists its nodes and imports no torch.
"""

from nodeflow_nodes.diffusion import encode_nodes, load_nodes, sample_nodes

__all__ = ["encode_nodes", "load_nodes", "sample_nodes"]
