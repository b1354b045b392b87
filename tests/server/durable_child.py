"""A process that queues and finishes jobs as fast as it can, and says what it was promised; made to be killed.

python durable_child.py HOME SEED
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from nodeflow.cache import BlobStore
from nodeflow.server.schema import ArtefactInfo
from nodeflow.server.store import JobStore
from nodeflow.server.tasks import Finish, NewJob


def main(home: Path, seed: int) -> None:
    dice = random.Random(seed)
    store, blobs = JobStore(home / "jobs.db"), BlobStore(home / "artefacts")
    store.db.execute("PRAGMA wal_autocheckpoint=8").fetchone()  # so that checkpoints are hit
    store.recover("killed")
    say("open")
    number = 0
    while True:
        number += 1
        count = dice.choice([1, 1, 3])
        recipe = b"%d" % dice.randrange(50) * 500
        say("added", *store.add(recipe, [NewJob("T", "0" * 64, {"n": number})] * count))
        claimed = store.claim(f"{seed}-{number}")
        assert claimed is not None
        data = dice.randbytes(dice.randrange(1, 20_000))
        digest = blobs.put(data)
        info = ArtefactInfo(
            id=0, job=claimed.id, output="x", name="x.bin", digest=digest, media_type="x/x", bytes=len(data)
        )
        end = Finish("completed", nodes='{"a":{"state":"done"}}', artefacts=[info])
        assert store.finish(claimed.id, claimed.lease, end)
        say("done", claimed.id, digest)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
