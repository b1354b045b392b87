"""The value pack: numbers, texts, lists, tables, expressions and switches. Needs no torch at all."""

from nodeflow_nodes.value import constants, files, flow, lists, numbers, randoms, tables, texts

__all__ = ["constants", "files", "flow", "lists", "numbers", "randoms", "tables", "texts"]
