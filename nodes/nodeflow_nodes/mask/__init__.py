"""The mask pack: masks made of colours, shapes and channels, grown, softened, combined. 1 marks what is to be changed.

Importing it lists its nodes and imports no torch; the tensor code is in `ops` and in the image pack's.
"""

from nodeflow_nodes.mask import change, combine, make

__all__ = ["change", "combine", "make"]
