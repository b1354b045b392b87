"""The wheels that an index has for what is installed here: addresses and hashes, asked of pip.

An installation does not keep the hash of the wheel that it came from. pip can say which wheel it would take now, on
this machine, for a name and version; that is what is recorded, and that it was asked and not known.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from nodeflow.errors import NodeflowError

MAX_ROUNDS = 20
SECONDS = 1800
_MISSING = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)==")


class WheelsError(NodeflowError):
    """pip cannot be asked; the message says why."""


@dataclass(frozen=True)
class Wheel:
    """A file of an index. url: "" if it came from a folder of this machine."""

    name: str
    url: str
    sha256: str

    @property
    def is_source(self) -> bool:
        return not self.name.endswith(".whl")


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(pins: Mapping[str, str]) -> dict[str, Wheel]:
    """The file that pip would install for each name and version, by normalised name; nothing is installed.

    Those that no index has are left out.

    Raises:
        WheelsError: pip is missing, or fails for another reason than that.
    """
    wanted = dict(pins)
    for _ in range(MAX_ROUNDS):
        if not wanted:
            return {}
        done = _pip([f"{name}=={version}" for name, version in sorted(wanted.items())])
        if done.returncode == 0:
            return read_report(done.stdout)
        missing = {normalised(name) for name in _MISSING.findall(done.stderr)}
        kept = {name: version for name, version in wanted.items() if normalised(name) not in missing}
        if len(kept) == len(wanted):
            words = " ".join(line for line in done.stderr.splitlines() if line.startswith("ERROR"))[:500]
            raise WheelsError(f"pip cannot say which wheels there are: {words or done.stderr[-300:]}")
        wanted = kept
    raise WheelsError(f"no index has {', '.join(sorted(wanted)[:10])} in the installed versions")


def _pip(pins: Iterable[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--report", "-", *pins]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise WheelsError(f"pip did not answer within {SECONDS:,} s") from None
    except OSError as error:
        raise WheelsError(f"pip cannot be started: {error.strerror}") from None


def read_report(text: str) -> dict[str, Wheel]:
    """What pip's installation report says (its format 1), by normalised name.

    Raises:
        WheelsError: it is no such report.
    """
    try:
        items = json.loads(text)["install"]
        return {normalised(item["metadata"]["name"]): wheel for item in items if (wheel := _wheel(item)) is not None}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WheelsError("pip's report is not of a form that is known: is pip 23.0 or later installed?") from None


def _wheel(item: Any) -> Wheel | None:
    about = item["download_info"]
    url, sha256 = about["url"], about.get("archive_info", {}).get("hashes", {}).get("sha256", "")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        return None
    parts = urlsplit(url)
    name = unquote(parts.path.rpartition("/")[2])
    public = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # no names and tokens
    return Wheel(name, public if parts.scheme in ("https", "http") else "", sha256)
