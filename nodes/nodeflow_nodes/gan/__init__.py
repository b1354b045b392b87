"""The gan pack: generators that draw a picture from a vector in one pass. Listing it imports no torch."""

from nodeflow_nodes.gan import nodes

__all__ = ["nodes"]
