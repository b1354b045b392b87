"""Content credentials (C2PA) in pictures, read: by whom a picture was signed, made with what, and whether it holds.

Needs the package `c2pa-python` (`pip install nodeflow-engine[c2pa]`). Nothing is fetched: no time stamps, no revocation
lists, no manifests from elsewhere. Credentials come from others: what has the wrong form is left out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeflow.errors import NodeflowError
from nodeflow.share.embed import is_picture

LABEL = "nodeflow.recipe"
MAX_SHOWN = 200
_OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}


class CredentialsError(NodeflowError):
    """A picture cannot be signed, or its credentials cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Credentials:
    """What a picture's credentials say.

    state: "trusted" (signed by whom one of the given roots vouches for), "valid" (unchanged since it was signed, by
    whom nobody here vouches for), "invalid" (changed since, or wrongly signed). failures: what the checks found.
    """

    state: str
    issuer: str = ""
    signer: str = ""
    time: str = ""
    generator: str = ""
    actions: tuple[tuple[str, str], ...] = ()
    ingredients: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "issuer": self.issuer,
            "signer": self.signer,
            "time": self.time,
            "generator": self.generator,
            "actions": [{"action": action, "source": source} for action, source in self.actions],
            "ingredients": list(self.ingredients),
            "recipe": dict(self.recipe),
            "failures": list(self.failures),
        }


def library() -> Any:
    """The package c2pa.

    Raises:
        CredentialsError: it is not installed.
    """
    try:
        import c2pa
    except (ImportError, OSError) as error:
        advice = "pip install 'nodeflow-engine[c2pa]'"
        raise CredentialsError(f"content credentials need the package c2pa-python ({error}): {advice}") from None
    return c2pa


def read_credentials(data: bytes, trust: bytes = b"") -> Credentials | None:
    """What a picture's credentials say; None if it has none.

    Args:
        trust: certificates (PEM) of those whose word counts.

    Raises:
        CredentialsError: the package is missing, or the file is damaged or no picture.
    """
    c2pa = library()
    kind = media(data)
    if not kind:
        raise CredentialsError("the file is no PNG, WebP or JPEG picture")
    try:
        reader = c2pa.Reader(kind, io.BytesIO(data), context=context(c2pa, trust))
        document = json.loads(reader.json())
        state = str(reader.get_validation_state() or "Invalid").lower()
    except c2pa.C2paError as error:
        if "ManifestNotFound" in type(error).__name__ or str(error).startswith("ManifestNotFound"):
            return None
        raise CredentialsError(f"the credentials cannot be read: {words(error)}") from None
    except ValueError:
        raise CredentialsError("the credentials cannot be read: they are no JSON") from None
    return _credentials(document, state)


def _credentials(document: Any, state: str) -> Credentials:
    manifests = _dict(_dict(document).get("manifests"))
    manifest = _dict(manifests.get(_text(_dict(document).get("active_manifest"))))
    signature = _dict(manifest.get("signature_info"))
    generators = [_dict(item) for item in _list(manifest.get("claim_generator_info"))]
    actions: list[tuple[str, str]] = []
    recipe: dict[str, Any] = {}
    for assertion in map(_dict, _list(manifest.get("assertions"))):
        label, data = _text(assertion.get("label")), _dict(assertion.get("data"))
        if label.startswith("c2pa.actions"):
            for action in map(_dict, _list(data.get("actions"))):
                source = _text(action.get("digitalSourceType")).rpartition("/")[2]
                actions.append((_text(action.get("action")), source))
        elif label == LABEL:
            recipe = {str(k)[:100]: v for k, v in data.items()}
    failures = [_dict(item) for item in _list(_dict(document).get("validation_status"))]
    return Credentials(
        state,
        _text(signature.get("issuer")),
        _text(signature.get("common_name")),
        _text(signature.get("time")),
        " ".join(_text(generators[0].get(k)) for k in ("name", "version")).strip() if generators else "",
        tuple(actions[:MAX_SHOWN]),
        tuple(_text(_dict(i).get("title")) for i in _list(manifest.get("ingredients"))[:MAX_SHOWN]),
        recipe,
        tuple(f"{_text(f.get('code'))}: {_text(f.get('explanation'))}" for f in failures[:MAX_SHOWN]),
    )


def context(c2pa: Any, trust: bytes = b"") -> Any:
    """c2pa's settings: no thumbnails, nothing fetched.

    Raises:
        CredentialsError: the certificates to trust cannot be read.
    """
    settings: dict[str, Any] = {"builder": {"thumbnail": {"enabled": False}}, "verify": dict(_OFFLINE)}
    if trust:
        settings["trust"] = {"trust_anchors": trust.decode("utf-8", "replace")}
    try:
        return c2pa.Context(c2pa.Settings.from_dict(settings))
    except c2pa.C2paError as error:
        raise CredentialsError(f"the certificates to trust cannot be read: {words(error)}") from None


def media(data: bytes) -> str:
    """The media type of a picture; "" for what is none."""
    if not is_picture(data):
        return ""
    return {b"\x89": "image/png", b"R": "image/webp"}.get(data[:1], "image/jpeg")


def words(error: BaseException) -> str:
    """An error's text on one line, shortened."""
    return " ".join(str(error).split())[:300]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:500] if isinstance(value, str) else ""
