"""Values to bytes and back: a small JSON text for the structure, safetensors for the numbers. Never pickle.

The structure is JSON without objects. `null`, `true`, `12`, `1.5` and `"text"` stand for themselves; everything else is
an array whose first item is a tag:

    ["l", …] list             ["d", k, v, …] dict, in its order      ["i", "-ff"] integer too long for decimal
    ["t", …] tuple            ["o", type, field, v, …] structure     ["f", "nan"] float that JSON cannot write
    ["e", type, member] Enum  ["b", base64] short bytes              ["s", base64] text with lone surrogates
    ["B", blob] long bytes
    ["T", blob, n, dtype, shape, order] tensor: its dimensions in the order in which they lie in memory
    ["N", blob, n, dtype, shape, scalar] numpy array, or numpy scalar

Invariants: `decode(encode(x))` has the type and every bit of `x` at every level (1, 1.0 and True stay apart; a tensor
keeps its stride order, so that what is computed from it does not change either). All tensors of one value share one
safetensors blob under the plain names t0, t1, …; a tensor met twice is written once. Device and gradients are no part
of a value: tensors come back on the CPU. Malformed input raises `BadEntry`, whatever it is.

Torch is imported only when a tensor is decoded. This module must not know where blobs are kept, nor what they cost.
"""

from __future__ import annotations

from nodeflow.cache.decode import decode
from nodeflow.cache.encode import Encoded, TypeNames, encode

__all__ = ["Encoded", "TypeNames", "decode", "encode"]
