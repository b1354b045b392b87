"""The image pack: pictures loaded, saved, cut, resized, blended, coloured, filtered, compared and enlarged by models.

Importing it lists its nodes and imports neither torch nor Pillow; the tensor code is in `ops`, networks in `upscale`.
"""

from nodeflow_nodes.image import colour, combine, compare, files, filters, geometry, size, upscale_nodes

__all__ = ["colour", "combine", "compare", "files", "filters", "geometry", "size", "upscale_nodes"]
