"""`python -m tests.fuzz.run`: each target in a process of its own under libFuzzer (atheris), guided by coverage.

`--runs N` executions each; a target stops at its first finding, whose input is kept in `--findings` (replayed with
`--replay FILE TARGET`). `--record FILE` writes what was executed, how long it took and what was reached. Without
atheris (it has no wheels for every Python) the tests in `test_fuzz.py` run the same targets with hypothesis.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.fuzz.targets import MAX_LENGTH, ROOT, TARGETS

SECONDS_AN_INPUT = 10
MEGABYTES = 2048
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_LINE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


def fuzz(name: str, runs: int, seed: int, findings: Path, seconds: int) -> dict[str, Any]:
    """One target in a process of its own; what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, data in enumerate(TARGETS[name].seeds()):
            (corpus / str(number)).write_bytes(data)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escaped(w)}"\n' for w in TARGETS[name].words))
        command = [
            sys.executable, "-m", "tests.fuzz.child", name, str(corpus), f"-runs={runs}", f"-seed={seed}",
            f"-max_len={MAX_LENGTH}", f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MEGABYTES}", f"-dict={words}",
            f"-artifact_prefix={findings}/{name}-", f"-max_total_time={seconds}", "-print_final_stats=1",
        ]  # fmt: skip
        start = time.monotonic()
        with open(Path(folder) / "log", "w+b") as log:
            done = subprocess.run(command, stdout=log, stderr=log, check=False, cwd=ROOT)
            log.seek(0)
            text = log.read().decode("utf-8", "replace")
    result: dict[str, Any] = {"target": name, "wall": round(time.monotonic() - start), "code": done.returncode}
    finished, lines = _DONE.findall(text), _LINE.findall(text)
    counted = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text)
    result["runs"] = int(counted[-1]) if counted else int(finished[-1][0]) if finished else 0
    result["seconds"] = int(finished[-1][1]) if finished else result["wall"]
    result["cov"], result["features"], result["corpus"] = (map(int, lines[-1])) if lines else (0, 0, 0)
    if peak := re.findall(r"stat::peak_rss_mb:\s*(\d+)", text):
        result["megabytes"] = int(peak[-1])
    if done.returncode:
        result["log"] = text[-6000:]
    return result


def _escaped(word: str) -> str:
    if re.search(r"\\x[0-9a-f]{2}", word):
        return word
    return "".join(f"\\x{b:02x}" if b in b'"\\' or not 32 <= b < 127 else chr(b) for b in word.encode())


def record(results: list[dict[str, Any]], path: Path, findings: str) -> None:
    """Write the table into the page, between its marks."""
    total = sum(r["runs"] for r in results)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    rows = "\n".join(
        f"| `{r['target']}` | {r['runs']:,} | {r['seconds']:,} | {r['cov']:,} | {r['features']:,} | {r['corpus']:,} | "
        f"{r.get('megabytes', '')} | {'**finding**' if r['code'] else 'none'} |"
        for r in results
    )
    text = (
        f"<!-- record: written by `make fuzz` -->\n\n{now}, commit {commit.stdout.strip()}, Python "
        f"{platform.python_version()}, atheris {version('atheris')}, pydantic {version('pydantic')}, "
        f"{os.cpu_count()} cores shared with other work; {SECONDS_AN_INPUT} s and {MEGABYTES:,} MB at most an input of "
        f"at most {MAX_LENGTH:,} bytes.\n\n**{total:,} executions** in {sum(r['seconds'] for r in results):,} s.\n\n"
        "| target | executions | seconds | edges | features | corpus | MB | findings |\n"
        "|---|---|---|---|---|---|---|---|\n"
        f"{rows}\n\n{findings}<!-- end of record -->"
    )
    page = path.read_text("utf-8")
    begin, end = page.index("<!-- record"), page.index("<!-- end of record -->") + len("<!-- end of record -->")
    path.write_text(page[:begin] + text + page[end:], "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=[*TARGETS], metavar="TARGET")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=1200, help="at most, for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "nodeflow-findings")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--json", type=Path, help="add the results to this file")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input and show what happens")
    given = parser.parse_args()
    if given.replay:
        TARGETS[given.targets[0]].run(given.replay.read_bytes())
        return 0
    given.findings.mkdir(parents=True, exist_ok=True)
    results = []
    for name in given.targets:
        found = fuzz(name, given.runs, given.seed, given.findings, given.seconds)
        print(json.dumps({k: v for k, v in found.items() if k != "log"}), flush=True)
        if found["code"]:
            print(found["log"], flush=True)
        results.append(found)
        if given.json:
            known = json.loads(given.json.read_text()) if given.json.exists() else []
            given.json.write_text(json.dumps([*known, found]))
    if given.record:
        record(results, given.record, "")
    return 1 if any(r["code"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
