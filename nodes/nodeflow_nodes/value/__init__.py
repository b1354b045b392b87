"""The value pack: numbers, texts, lists, tables, expressions and switches. Needs no torch at all."""

from nodeflow_nodes.value import constants, flow, lists, numbers, randoms, tables, texts

__all__ = ["constants", "flow", "lists", "numbers", "randoms", "tables", "texts"]
