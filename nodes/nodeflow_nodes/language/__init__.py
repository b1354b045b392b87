"""The language pack: load a causal language model, write text with it, and look at how it chooses each token.

Importing it lists its nodes and imports neither torch nor transformers.
"""

from nodeflow_nodes.language import generate_nodes, load_nodes, look_nodes, token_nodes

__all__ = ["generate_nodes", "load_nodes", "look_nodes", "token_nodes"]
