"""Content credentials: signed last with a certificate made here, read back, and broken by any change."""

from __future__ import annotations

import contextlib
import datetime
import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from nodeflow.engine import Engine
from nodeflow.registry import installed
from nodeflow.settings import Settings
from nodeflow.share.carried import carried
from nodeflow.share.credentials import CredentialsError, read_credentials
from nodeflow.share.embed import embed
from nodeflow.share.signing import ALGORITHMIC, TRAINED, About, Signer
from nodeflow.workflow import Workflow
from tests.share.world import World

pytest.importorskip("c2pa")


def certificates(folder: Path, kind: str = "p256") -> tuple[Path, Path, Path]:
    """A signer's chain and key, and the root that vouches for it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text: str) -> x509.Name:
        parts = ((NameOID.ORGANIZATION_NAME, "Test laboratory"), (NameOID.COMMON_NAME, text))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])

    root_key = ec.generate_private_key(ec.SECP256R1())
    key = {
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    }[kind]()
    now = datetime.datetime.now(datetime.UTC)

    def made(subject: str, public: object, authority: bool) -> x509.Certificate:
        usage = (not authority, False, False, False, False, authority, authority, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("root"))
            .public_key(public)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(authority, None), True)
            .add_extension(x509.KeyUsage(*usage), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)  # type: ignore[arg-type]
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False)
        )
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        return builder.sign(root_key, hashes.SHA256())

    root = made("root", root_key.public_key(), True).public_bytes(Encoding.PEM)
    chain = made("painter", key.public_key(), False).public_bytes(Encoding.PEM) + root
    paths = folder / f"{kind}-chain.pem", folder / f"{kind}-key.pem", folder / f"{kind}-root.pem"
    paths[0].write_bytes(chain)
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    paths[2].write_bytes(root)
    return paths


def picture(kind: str = "PNG", colour: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 16), colour).save(buffer, kind)
    return buffer.getvalue()


DOCUMENT = {"recipe": {"format": "nodeflow/1", "nodes": {}}, "key": "a" * 64, "lock": "b" * 64}


@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_signed_last_and_read_back(format: str, tmp_path: Path) -> None:
    chain, key, root = certificates(tmp_path)
    bare = embed(picture(format), DOCUMENT)
    about = About((("checkpoints/tiny", "c" * 64),))
    signed = Signer(chain, key).seal(bare, about)
    assert read_credentials(bare) is None
    assert carried(signed).lock == "b" * 64
    with Image.open(io.BytesIO(signed)) as a, Image.open(io.BytesIO(bare)) as b:
        assert a.tobytes() == b.tobytes()
    found = read_credentials(signed, root.read_bytes())
    assert found is not None
    assert (found.state, found.failures, found.issuer) == ("trusted", (), "Test laboratory")
    assert found.signer == "painter"
    assert found.generator.startswith("nodeflow ")
    assert found.actions == (("c2pa.created", TRAINED.rpartition("/")[2]),)
    assert found.recipe["key"] == "a" * 64
    assert found.recipe["models"] == [{"name": "checkpoints/tiny", "blake3": "c" * 64}]
    stranger = read_credentials(signed)
    assert stranger is not None
    assert (stranger.state, stranger.failures[0].partition(":")[0]) == ("valid", "signingCredential.untrusted")
    changed = read_credentials(embed(signed, {**DOCUMENT, "key": "d" * 64}), root.read_bytes())
    assert changed is not None
    assert changed.state == "invalid"
    assert any("dataHash.mismatch" in f or "hash" in f.lower() for f in changed.failures)
    assert read_credentials(bare) is None


@pytest.mark.parametrize("kind", ["p384", "ed25519", "rsa"])
def test_kinds_of_keys(kind: str, tmp_path: Path) -> None:
    chain, key, root = certificates(tmp_path, kind)
    found = read_credentials(Signer(chain, key).seal(picture(), About()), root.read_bytes())
    assert found is not None
    assert (found.state, found.actions[0][1]) == ("trusted", ALGORITHMIC.rpartition("/")[2])


def test_what_cannot_sign_is_told_before_anything_runs(tmp_path: Path) -> None:
    chain, key, _ = certificates(tmp_path)
    _, other, _ = certificates(tmp_path, "p384")
    _, curve, _ = certificates(tmp_path, "k1")
    (tmp_path / "text.pem").write_text("hello")
    for pair, message in (
        ((chain, tmp_path / "none.pem"), "No such file"),
        ((chain, tmp_path / "text.pem"), "no private key in PEM"),
        ((chain, curve), "of a kind that C2PA does not take"),
        ((tmp_path / "text.pem", key), "sign"),
        ((chain, other), "sign"),
    ):
        with pytest.raises(CredentialsError, match=message):
            Signer(*pair)


def test_input_pictures_are_ingredients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """photo ─▶ inverted"""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(picture())
    chain, key, root = certificates(tmp_path)
    nodes = {
        "load": {"op": "image/load@1", "values": {"path": "photo.png"}},
        "inverted": {"op": "image/invert@1", "links": {"image": "load.image"}},
    }
    workflow = Workflow.from_json({"format": "nodeflow/1", "nodes": nodes, "outputs": {"made": "inverted.image"}})
    folders = {"home": tmp_path / "home", "cache": tmp_path / "cache", "output": tmp_path / "out"}
    with Engine(Settings(**folders, certificate=chain, private_key=key), installed()) as engine:
        (made,) = engine.run(workflow, out=tmp_path / "out").files["made"]
    found = read_credentials(made.read_bytes(), root.read_bytes())
    assert found is not None
    assert (found.state, found.ingredients) == ("trusted", ("photo.png",))
    assert found.actions == (("c2pa.created", "algorithmicMedia"),)
    assert found.recipe["digest"] == workflow.digest()


def test_a_run_with_a_bad_certificate_runs_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "text.pem").write_text("hello")
    with (
        world.engine(certificate=tmp_path / "text.pem", private_key=tmp_path / "text.pem") as engine,
        pytest.raises(CredentialsError),
    ):
        engine.run(world.workflow, path=world.path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "data", [b"", b"hello", picture()[:40], b"\x89PNG\r\n\x1a\n" + b"\xff" * 100, b"RIFF\0\0\0\0WEBP"]
)
def test_damaged_pictures(data: bytes) -> None:
    with contextlib.suppress(CredentialsError):
        assert read_credentials(data) is None


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(CredentialsError, match=r"pip install 'nodeflow-engine\[c2pa\]'"):
        read_credentials(picture())
