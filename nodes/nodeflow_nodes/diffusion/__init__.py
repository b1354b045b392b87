"""The diffusion pack: loading models, encoding prompts, sampling, decoding.

Importing it lists its nodes and imports no torch.
"""

from pathlib import Path

from nodeflow_nodes.diffusion import encode_nodes, load_nodes, sample_nodes

MODEL_FOLDER = Path(__file__).parents[1] / "models"
"""The built-in models."""

__all__ = ["encode_nodes", "load_nodes", "sample_nodes"]
