"""The latent pack: latents made, resized, moved, mixed and counted. What a latent means to a model is not known here.

Importing it lists its nodes and imports no torch; the tensor code is in `ops`.
"""

from nodeflow_nodes.latent import arrange, batches, files, make, mix

__all__ = ["arrange", "batches", "files", "make", "mix"]
