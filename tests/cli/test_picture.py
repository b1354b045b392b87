"""Pictures that carry recipe, key, lock and versions: run again, compared, and verified against themselves."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from PIL import Image

from nodeflow.share.carried import carried, from_document
from nodeflow.share.embed import embed, extract
from tests.cli.conftest import Cli, Done, recipe

Here = Callable[..., Done]


@pytest.fixture
def grey(cli: Cli) -> str:
    """blank ─▶ picture"""
    nodes = {"blank": {"op": "image/empty@1", "values": {"width": 24, "height": 16, "color": "#0000ff"}}}
    return cli.write("grey.json", recipe(nodes, {"picture": "blank.image"}, inputs={"color": {"to": ["blank.color"]}}))


def test_a_picture_of_a_locked_run_carries_the_lock(here: Here, cli: Cli, grey: str) -> None:
    locked = here("lock", grey, "--with-outputs", "--json").json
    run = here("run", grey, "--locked", "--json").json
    picture = cli.folder / run["outputs"]["picture"]["files"][0]
    found = carried(picture.read_bytes())
    assert found.lock == locked["digest"]
    assert found.key == locked["outputs"]["picture"]["key"]
    assert found.versions["nodeflow"]
    assert found.numeric.startswith("device=")
    again = here("run", str(picture), "--locked", "--out", "again")  # the lock is found in the folder above
    assert again.code == 0, again.err
    assert (cli.folder / "again/picture.png").read_bytes() == picture.read_bytes()
    (cli.folder / "grey.lock.json").unlink()
    none = here("run", str(picture), "--locked")
    assert none.code == 4
    assert f"was made under the lock {found.lock[:16]}" in none.err


def test_verify_a_picture(here: Here, cli: Cli, grey: str) -> None:
    assert here("run", grey).code == 0
    done = here("verify", "output/picture.png")
    assert (done.code, done.out) == (0, "picture (picture): bit-equal\n"), done.err
    data = (cli.folder / "output/picture.png").read_bytes()
    document = extract(data)
    other = Image.open(io.BytesIO(data)).convert("RGB")
    other.putpixel((3, 3), (0, 0, 9))
    buffer = io.BytesIO()
    other.save(buffer, "PNG")
    document["versions"]["torch"] = "1.0"
    (cli.folder / "painted.png").write_bytes(embed(buffer.getvalue(), document))
    painted = here("verify", "painted.png", "--json")
    assert painted.code == 6
    (verdict,) = painted.json["outputs"]
    assert verdict["state"] == "different"
    assert "largest difference" in verdict["detail"]
    assert [d["name"] for d in painted.json["drift"]] == ["torch"]
    assert here("verify", "painted.png", "--tolerance", "1").code == 0


def test_diff_of_pictures_tells_versions_keys_and_locks(here: Here, cli: Cli, grey: str) -> None:
    assert here("run", grey).code == 0
    data = (cli.folder / "output/picture.png").read_bytes()
    document = extract(data)
    (cli.folder / "a.png").write_bytes(embed(data, {**document, "lock": "a" * 64}))
    changed = {**document, "lock": "b" * 64, "versions": {**document["versions"], "torch": "1.0"}}
    (cli.folder / "b.png").write_bytes(embed(data, changed))
    done = here("diff", "a.png", "b.png", "--json")
    assert done.code == 6
    assert {c["kind"] for c in done.json["changes"]} == {"lock", "version"}
    assert done.json["pictures"]["picture"]["psnr"] is None
    assert here("diff", "a.png", "a.png").code == 0


@pytest.mark.parametrize(
    "parts",
    [
        {"key": 7, "lock": ["a"], "numeric": None, "versions": "all"},
        {"key": "z" * 64, "lock": "../../etc", "versions": {"torch": 7, "x" * 5000: "1"}},
        {"versions": {str(i): "1" for i in range(5000)}},
    ],
)
def test_what_has_the_wrong_form_is_left_out(parts: dict[str, object]) -> None:
    found = from_document({"recipe": {"format": "nodeflow/1", "nodes": {}}, **parts})
    assert (found.key, found.lock, found.numeric) == ("", "", "")
    assert len(found.versions) <= 200
    assert all(len(name) <= 1000 for name in found.versions)
    assert json.dumps(dict(found.versions))
