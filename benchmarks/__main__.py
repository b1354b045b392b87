"""Run benchmarks by name, or all of them, and print their tables."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time

ALL = ("startup", "graphs", "cache", "demo", "loading", "sampling", "server", "canvas")


def main(names: list[str]) -> int:
    """Print the tables of the named benchmarks; those whose module is not there are named and skipped."""
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f}, Python {platform.python_version()}")
    for name in names or ALL:
        module = importlib.import_module(f"benchmarks.{name}")
        begun = time.perf_counter()
        print(f"\n## {name}: {(module.__doc__ or '').strip().splitlines()[0]}")
        for line in format_table(module.table()):
            print(line)
        print(f"({time.perf_counter() - begun:.1f} s)")
    return 0


def format_table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of texts as lines with aligned columns; the first row is the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts if i < len(row)) for i in range(max(map(len, texts)))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in texts]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
