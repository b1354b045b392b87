"""What a picture carries: the recipe it was made by, its result's key, the lock, versions and numeric class.

A picture comes from others: what has the wrong form is left out, and nothing in it is believed; it is compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeflow.share.embed import extract
from nodeflow.workflow import Workflow

_DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_VERSIONS = 200
MAX_TEXT = 1000


@dataclass(frozen=True)
class Carried:
    """key: of the result that the picture is. lock: digest of the lock that the run was held to. Empty: not known."""

    workflow: Workflow
    key: str = ""
    lock: str = ""
    numeric: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def carried(data: bytes, *, source: str = "") -> Carried:
    """What a picture carries.

    Raises:
        ProblemsError: it is no picture, is damaged, carries nothing, or no recipe.
    """
    return from_document(extract(data, source=source), source=source)


def from_document(document: Any, *, source: str = "") -> Carried:
    """The same of the document that was in a picture; a bare recipe counts as one.

    Raises:
        ProblemsError: there is no recipe in it.
    """
    if not isinstance(document, dict) or "recipe" not in document:
        return Carried(Workflow.from_json(document, source=source))
    versions = document.get("versions")
    return Carried(
        Workflow.from_json(document["recipe"], source=source),
        _digest(document.get("key")),
        _digest(document.get("lock")),
        _text(document.get("numeric")),
        {
            _text(name): _text(version)
            for name, version in (list(versions.items())[:MAX_VERSIONS] if isinstance(versions, dict) else ())
            if isinstance(version, str)
        },
    )


def _digest(value: Any) -> str:
    return value if isinstance(value, str) and _DIGEST.fullmatch(value) else ""


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""
