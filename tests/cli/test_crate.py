"""`nodeflow export`, `import` and `verify` of crates, and ComfyUI's API format."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable

from blake3 import blake3

from tests.cli.conftest import Cli, Done, recipe
from tests.share.test_crate import respelt

Here = Callable[..., Done]


def test_export_import_and_verify(cli: Cli, hello: str) -> None:
    done = cli("export", hello, "--license", "CC0-1.0")
    assert (done.code, done.out) == (0, "hello.crate.zip\n"), done.err
    assert not (cli.folder / "output").exists()
    again = cli("export", hello)
    assert (again.code, again.out) == (4, "")
    assert "there already" in again.err
    verified = cli("verify", "hello.crate.zip")
    assert verified.code == 0, verified.err
    assert verified.out == "said: bit-equal\nsum: bit-equal\n"
    imported = cli("import", "hello.crate.zip", "--out", "there")
    assert (imported.code, imported.out) == (0, "there/hello.json\n")
    assert cli("verify", "there/hello.json").out == verified.out
    assert cli("run", "there/hello.json", "--locked").code == 0
    assert cli("import", "hello.crate.zip", "--out", "there").code == 4


def test_export_of_a_run(here: Here, cli: Cli, hello: str) -> None:
    run = here("run", hello, "--set", "n=40", "--json").json
    done = here("export", run["run"][:12], "--out", "run.crate.zip", "--json")
    assert done.code == 0, done.err
    assert done.json["crate"] == "run.crate.zip"
    with zipfile.ZipFile(cli.folder / "run.crate.zip") as archive:
        assert archive.read("outputs/sum.json") == b"42\n"
        assert json.loads(archive.read("recipe.run.json"))["id"] == run["run"]
    assert here("verify", "run.crate.zip").code == 0
    assert here("export", run["run"], "--set", "n=1").code == 2
    none = here("export", "ffffffffffff")
    assert (none.code, none.out) == (2, "")
    assert "no single run" in none.err


def test_export_with_other_values(here: Here, cli: Cli, hello: str) -> None:
    assert here("lock", hello, "--with-outputs").code == 0
    assert here("export", hello, "--set", "n=5", "--out", "a.crate.zip").code == 0
    with zipfile.ZipFile(cli.folder / "a.crate.zip") as archive:
        assert archive.read("outputs/sum.json") == b"7\n"
    refused = here("export", hello, "--lock", "hello.lock.json", "--set", "n=5", "--out", "b.crate.zip")
    assert refused.code == 6
    assert "drift: recipe" in refused.err
    assert not (cli.folder / "b.crate.zip").exists()


def test_exports_of_one_lock_are_equal(here: Here, cli: Cli, hello: str) -> None:
    assert here("lock", hello, "--with-outputs").code == 0
    for name in ("a.crate.zip", "b.crate.zip"):
        assert here("export", hello, "--out", name).code == 0
    assert (cli.folder / "a.crate.zip").read_bytes() == (cli.folder / "b.crate.zip").read_bytes()


def test_a_difference_is_told(here: Here, cli: Cli, hello: str) -> None:
    """A crate of a machine on which 2 + 3 was 6: whole, but not what comes out here."""
    assert here("export", hello).code == 0

    def change(files: dict[str, bytes]) -> None:
        lock = json.loads(files["hello.lock.json"])
        made = lock["outputs"]["sum"]["files"][0]
        files["outputs/sum.json"] = made["text"].replace("5", "6").encode()
        made |= {"digest": blake3(b"6\n").hexdigest(), "text": "6\n"}
        files["hello.lock.json"] = json.dumps(lock).encode()

    respelt(cli.folder / "hello.crate.zip", change)
    done = here("verify", "changed.crate.zip", "--json")
    assert (done.code, done.json["ok"]) == (6, False)
    states = {v["name"]: (v["state"], v.get("detail", "")) for v in done.json["outputs"]}
    assert states["said"] == ("bit-equal", "")
    assert states["sum"] == ("different", "from line 1, character 1: '6\\n' → '5\\n'")


def test_import_of_no_crate(here: Here, cli: Cli) -> None:
    (cli.folder / "a.crate.zip").write_bytes(b"PK\3\4 nothing")
    done = here("import", "a.crate.zip")
    assert (done.code, done.out) == (4, "")
    assert "no zip file, or a damaged one" in done.err
    assert here("verify", "a.crate.zip").code == 4
    assert [p.name for p in cli.folder.iterdir()] == ["a.crate.zip"]


def test_report_only(here: Here, cli: Cli, hello: str) -> None:
    assert here("export", hello).code == 0
    done = here("import", "hello.crate.zip", "--report", "--json")
    assert (done.code, done.json["folder"], done.json["recipe"]) == (0, None, "hello.json")
    assert not (cli.folder / "hello").exists()


def test_comfyui_api(here: Here, cli: Cli, hello: str) -> None:
    nodes = {
        "a": {"op": "value/integer@1", "values": {"value": 7}},
        "latent": {"op": "latent/empty@1", "values": {"width": 64, "height": 64, "channels": 4, "downscale": 8}},
    }
    name = cli.write("small.json", recipe(nodes))
    done = here("export", name, "--format", "comfyui-api")
    assert (done.code, done.out) == (0, "small.api.json\n"), done.err
    prompt = json.loads((cli.folder / "small.api.json").read_text())
    assert {n["class_type"] for n in prompt.values()} == {"PrimitiveInt", "EmptyLatentImage"}
    refused = here("export", hello, "--format", "comfyui-api")
    assert (refused.code, refused.out) == (3, "")
    assert "trial/add has no equivalent in ComfyUI" in refused.err
    assert not (cli.folder / "hello.api.json").exists()
    rest = here("export", hello, "--format", "comfyui-api", "--leave-out")
    assert rest.code == 0
    back = here("import", "small.api.json", "--out", "back.json")
    assert back.code == 0, back.err
