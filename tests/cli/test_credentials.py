"""`nodeflow run --sign` and `nodeflow credentials`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.share.test_credentials import certificates, picture

pytest.importorskip("c2pa")


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    chain, key, root = certificates(tmp_path)
    nodes = {"blank": {"op": "image/empty@1", "values": {"width": 16, "height": 16}}}
    recipe = {"format": "nodeflow/1", "nodes": nodes, "outputs": {"picture": "blank.image"}}
    name = cli.write("blank.json", json.dumps(recipe))
    assert cli("run", name, "--sign", str(chain)).code == 2
    run = cli("run", name, "--sign", str(chain), "--key", str(key))
    assert run.code == 0, run.err
    shown = cli("credentials", "output/picture.png", "--trust", str(root))
    assert shown.code == 0, shown.err
    assert shown.out.startswith("trusted: unchanged since it was signed, by someone who is trusted\nsigned by: painter")
    assert "c2pa.created: algorithmicMedia" in shown.out
    _, _, stranger = certificates(tmp_path, "p384")
    assert cli("credentials", "output/picture.png").code == 0
    untrusted = cli("credentials", "output/picture.png", "--trust", str(stranger), "--json")
    assert (untrusted.code, untrusted.json["credentials"]["state"]) == (6, "valid")
    (cli.folder / "plain.png").write_bytes(picture())
    plain = cli("credentials", "plain.png")
    assert (plain.code, plain.out) == (0, "plain.png has no content credentials\n")
    again = cli("verify", "output/picture.png")
    assert (again.code, "every pixel is equal" in again.out) == (0, True)
