"""Results kept for later runs: in the accelerator's memory, in RAM, and on disk by content.

`Cache` is what the executor uses; `BlobStore` keeps bytes under their hash, here and for artefacts.
"""

from nodeflow.cache.errors import BadBlob, BadEntry, CacheWarning, StoreError, Uncacheable
from nodeflow.cache.store import BlobStore
from nodeflow.cache.tiers import Cache, CacheStats, TierStats

__all__ = [
    "BadBlob",
    "BadEntry",
    "BlobStore",
    "Cache",
    "CacheStats",
    "CacheWarning",
    "StoreError",
    "TierStats",
    "Uncacheable",
]
