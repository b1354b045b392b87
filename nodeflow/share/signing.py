"""Signing pictures with content credentials (C2PA): that nodeflow made them, with what, from which input pictures.

Needs the package `c2pa-python` (`pip install nodeflow-engine[c2pa]`). A signature is the last thing done to a picture;
it has random numbers in it, so that signed pictures are not equal byte for byte. No time stamp is fetched.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nodeflow import __version__
from nodeflow.annotations import ModelFile
from nodeflow.planner import Planner
from nodeflow.problems import ProblemsError
from nodeflow.settings import Settings
from nodeflow.share.credentials import LABEL, CredentialsError, context, library, media, words
from nodeflow.share.embed import extract, is_picture
from nodeflow.share.survey import every_step
from nodeflow.steps import Plan, Step
from nodeflow.types import File
from nodeflow.workflow import Workflow

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALGORITHMIC = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
MAX_INGREDIENTS = 50


@dataclass(frozen=True)
class About:
    """What is said of a run's pictures. models: (name, digest). inputs: pictures that went in."""

    models: tuple[tuple[str, str], ...] = ()
    inputs: tuple[Path, ...] = ()

    @property
    def trained(self) -> bool:
        return bool(self.models)


def about(steps: Iterable[Step]) -> About:
    """What is to be said of the pictures of a plan with these steps."""
    models: dict[str, str] = {}
    inputs: dict[Path, None] = {}
    for step in steps:
        for port, value in step.values.items():
            kind = step.op.inputs[port].extra(ModelFile)
            for file in value if isinstance(value, list) else [value]:
                if isinstance(file, File) and kind is not None:
                    models[f"{kind.folder}/{file.name}"] = file.digest
                elif isinstance(file, File):
                    inputs[Path(file.path)] = None
    return About(tuple(sorted(models.items())), tuple(inputs))


def sealing(settings: Settings, planner: Planner, plan: Plan) -> Callable[[bytes], bytes]:
    """What signs a plan's pictures.

    Raises:
        CredentialsError: nothing can be signed with the certificate and key that are set.
    """
    signer = _signer(settings.certificate, settings.private_key)
    made_of = about(step for _, step in every_step(planner, plan))
    return lambda data: signer.seal(data, made_of)


@lru_cache(maxsize=4)
def _signer(certificate: Path, key: Path) -> Signer:
    return Signer(certificate, key)


class Signer:
    """Signs pictures with a certificate chain and its private key.

    Args:
        certificate: PEM, the signer's certificate first, then those that vouch for it. key: PEM, without a password.

    Raises:
        CredentialsError: they cannot be read, do not belong together, or are of a kind that C2PA does not take.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._c2pa = library()
        chain, secret = _read(certificate), _read(key)
        try:
            info = self._c2pa.C2paSignerInfo(_algorithm(secret, key), chain, secret, None)
            self._signer = self._c2pa.Signer.from_info(info)
        except self._c2pa.C2paError as error:
            raise CredentialsError(f"{certificate}, {key}: cannot sign with these: {words(error)}") from None
        self.certificate = certificate
        self.seal(_blank(), About())  # now, and not after an hour of computing

    def seal(self, data: bytes, about: About) -> bytes:
        """The picture with credentials; other kinds of file are given back as they are.

        Raises:
            CredentialsError: it cannot be signed.
        """
        kind = media(data)
        if not kind:
            return data
        target = io.BytesIO()
        try:
            inputs = [(path.name, path.read_bytes()) for path in about.inputs[:MAX_INGREDIENTS]]
            pictures = [(name, content) for name, content in inputs if is_picture(content)]
            builder = self._c2pa.Builder(json.dumps(_manifest(data, kind, about, len(pictures))), context(self._c2pa))
            for number, (name, content) in enumerate(pictures):
                entry = {"title": name, "relationship": "inputTo", "label": f"input{number}"}
                builder.add_ingredient(json.dumps(entry), media(content), io.BytesIO(content))
            builder.sign(self._signer, kind, io.BytesIO(data), target)
        except (self._c2pa.C2paError, OSError) as error:
            raise CredentialsError(f"{self.certificate}: the picture cannot be signed: {words(error)}") from None
        return target.getvalue()


def _manifest(data: bytes, kind: str, about: About, inputs: int) -> dict[str, Any]:
    agent = {"name": "nodeflow", "version": __version__}
    source = TRAINED if about.trained else ALGORITHMIC
    action: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": source, "softwareAgent": agent}
    if inputs:
        action["parameters"] = {"ingredientIds": [f"input{number}" for number in range(inputs)]}
    return {
        "claim_generator_info": [agent],
        "format": kind,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {"label": LABEL, "data": _recipe(data, about.models)},
        ],
    }


def _recipe(data: bytes, models: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What the picture says of its own making, as far as it is worth signing by itself."""
    found: dict[str, Any] = {"models": [{"name": name, "blake3": digest} for name, digest in models]}
    try:
        document = extract(data)
        found["digest"] = Workflow.from_json(document["recipe"]).digest()
    except (ProblemsError, KeyError, TypeError):
        return found
    return found | {name: document[name] for name in ("key", "lock") if isinstance(document.get(name), str)}


def _algorithm(secret: bytes, path: Path) -> bytes:
    """C2PA's name for what a key signs with."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(secret, None)
    except TypeError:
        raise CredentialsError(f"{path}: the key has a password; nodeflow takes a file without one") from None
    except ValueError as error:
        raise CredentialsError(f"{path}: no private key in PEM ({words(error)})") from None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        found = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}.get(key.curve.name)
        if found:
            return found
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return b"ps256"
    raise CredentialsError(f"{path}: a key of a kind that C2PA does not take (P-256, P-384, P-521, Ed25519 or RSA)")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read: {error.strerror}") from None


def _blank() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    return buffer.getvalue()
