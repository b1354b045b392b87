"""One target under libFuzzer, in a process of its own: `python -m tests.fuzz.child TARGET CORPUS [-option=value …]`.

The modules of nodeflow are instrumented while they are imported, so nothing of them may be imported before.
"""

from __future__ import annotations

import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["nodeflow", "nodeflow_nodes"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz; does not return."""
    name = sys.argv[1]
    target = TARGETS[name]
    with atheris.instrument_imports(include=["nodeflow", "nodeflow_nodes"]):
        for data in target.seeds():  # what is imported late is imported now
            target.run(data)
    options: dict[str, Any] = {}
    if target.json:
        from tests.fuzz.mutate import mutated

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            made = mutated(data, seed, max_size) if seed % 4 else None
            return made if made is not None else bytes(atheris.Mutate(data, max_size))

        options["custom_mutator"] = mutate
    atheris.Setup([name, *sys.argv[2:]], target.run, **options)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
