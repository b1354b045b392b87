"""The image pack: pictures loaded, saved, cut, resized, blended, coloured, filtered and compared.

Importing it lists its nodes and imports neither torch nor Pillow; the tensor code is in `ops`.
"""

from nodeflow_nodes.image import colour, combine, compare, files, filters, geometry, size

__all__ = ["colour", "combine", "compare", "files", "filters", "geometry", "size"]
