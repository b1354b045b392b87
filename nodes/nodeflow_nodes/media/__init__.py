"""The media pack: sound, moving pictures, figures, tables and text as files; any diffusers pipeline as a node.

Importing it lists its nodes and imports neither torch nor diffusers.
"""

from nodeflow_nodes.media import audio_nodes, call_nodes, figure_nodes, file_nodes, pipeline_nodes, video_nodes

__all__ = ["audio_nodes", "call_nodes", "figure_nodes", "file_nodes", "pipeline_nodes", "video_nodes"]
