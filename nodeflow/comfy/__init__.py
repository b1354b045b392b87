"""ComfyUI's documents: reads its UI and API formats, also out of pictures, and writes the API format.

`read` gives a recipe and a report of everything that is not the same. The recipe keeps the whole document it was made
of under `x-comfy`, so nothing that was in the file is lost. Pure: nothing is run, opened or fetched.
"""

from __future__ import annotations

from nodeflow.comfy.export import to_api
from nodeflow.comfy.reader import Imported, is_comfy, original, read, read_document
from nodeflow.comfy.report import Finding, Report

__all__ = ["Finding", "Imported", "Report", "is_comfy", "original", "read", "read_document", "to_api"]
