"""Packs: found, loaded when asked for, and their failures kept."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nodeflow.errors import NodeflowError
from nodeflow.registry import Catalogue, Pack, installed, load_pack
from tests.packs_for_tests import n, problems, recipe

CODE = '''
from nodeflow import node

@node("{pack}/one")
def one(value: int) -> int:
    """One."""
    return value
'''


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_ops_of_a_module_and_its_sub_modules(packs: Path) -> None:
    (packs / "pack_a").mkdir()
    (packs / "pack_a" / "__init__.py").write_text("from pack_a import more\nfrom pack_other import two\n")
    (packs / "pack_a" / "more.py").write_text(CODE.format(pack="a"))
    (packs / "pack_other.py").write_text(CODE.format(pack="other").replace("one", "two"))
    pack = load_pack("a", "pack_a")
    assert (pack.error, list(pack.ops), pack.folder) == ("", ["a/one"], packs / "pack_a")
    before = pack.digest
    (packs / "pack_a" / "more.py").write_text(CODE.format(pack="a") + "# changed\n")
    assert load_pack("a", "pack_a").digest != before


@pytest.mark.parametrize("sibling", ["helper.py", "helper/__init__.py"])
def test_the_digest_follows_imports_of_siblings(packs: Path, sibling: str) -> None:
    root = packs / f"many_{len(sibling)}"
    (root / "p").mkdir(parents=True)
    (root / "__init__.py").touch()
    (root / "p" / "__init__.py").write_text(f"from {root.name}.helper import X\n" + CODE.format(pack="p"))
    (root / sibling).parent.mkdir(exist_ok=True)
    (root / sibling).write_text("X = 1\n")
    before = load_pack("p", f"{root.name}.p").digest
    (root / sibling).write_text("X = 2\n")
    assert load_pack("p", f"{root.name}.p").digest != before


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def (", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            CODE.format(pack="other"),
            "nodeflow.errors.NodeflowError: the op 'other/one' must be called bad/…, after its pack",
        ),
        (CODE.format(pack="bad") * 2 + "two = one\n", ""),
    ],
)
def test_a_pack_that_fails_is_kept_with_its_traceback_and_the_rest_work(packs: Path, code: str, reason: str) -> None:
    name = f"bad_pack_{abs(hash(code))}"
    (packs / f"{name}.py").write_text(code)
    (packs / f"good_{name}.py").write_text(CODE.format(pack="good"))
    catalogue = Catalogue([load_pack("bad", name), load_pack("good", f"good_{name}")])
    assert catalogue.find("good/one") is not None
    if reason:
        assert catalogue.failures["bad"].strip().splitlines()[-1] == reason
        assert "Traceback" in catalogue.failures["bad"]
        assert list(catalogue.ops) == ["good/one"]


def test_only_the_pack_that_is_asked_for_is_loaded(packs: Path) -> None:
    for name in ("a", "b"):
        (packs / f"lazy_{name}.py").write_text(CODE.format(pack=name))

    def lazy(name: str) -> Pack:
        import importlib

        return Pack(name, f"lazy_{name}", load=lambda: importlib.import_module(f"lazy_{name}"))

    catalogue = Catalogue([lazy("a"), lazy("b")])
    assert catalogue.find("a/one") is not None
    assert ("lazy_a" in sys.modules, "lazy_b" in sys.modules) == (True, False)
    assert (catalogue.find("c/one"), catalogue.find("a/none")) == (None, None)
    assert sorted(catalogue.ops) == ["a/one", "b/one"]


def test_threads_that_ask_at_once_all_get_the_op(packs: Path) -> None:
    (packs / "slow_pack.py").write_text("import time; time.sleep(0.1)\n" + CODE.format(pack="slow"))

    def load() -> object:
        import slow_pack  # type: ignore[import-not-found]

        return slow_pack

    catalogue = Catalogue([Pack("slow", "slow_pack", load=load)])
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(catalogue.find("slow/one"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None not in found
    assert len(found) == 5


def test_two_packs_that_claim_one_op() -> None:
    packs = [Pack("image", "one.image", "one-pack"), Pack("image", "two.image", "two-pack")]
    expected = r"two packs claim the ops named image/…: one\.image \(one-pack\) and two\.image \(two-pack\)"
    with pytest.raises(NodeflowError, match=expected):
        Catalogue(packs)


def test_an_op_whose_signature_is_no_port_is_a_problem_of_its_node() -> None:
    from nodeflow.op import node

    def broken(value: set) -> int: ...  # type: ignore[type-arg,empty-body]

    (found,) = problems(recipe({"x": n("broken", value=1)}), node("t/broken")(broken))
    assert (found.code, found.place) == ("NF116", "nodes.x.op")
    assert "t/broken@1 (tests.test_registry), value: <class 'set'> is no port type" in found.message


def test_listing_the_installed_packs_imports_no_torch() -> None:
    code = (
        "import sys\nfrom nodeflow.registry import installed\nc = installed()\n"
        "assert c.ops, 'no packs'\nassert not c.failures, c.failures\n"
        "for op in c.ops.values(): op.inputs, op.outputs, op.doc\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'scipy', 'aiohttp'} & sys.modules.keys()\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("[]", "", 0)


def test_every_installed_op_has_a_summary_and_documented_ports() -> None:
    missing = [op.id for op in installed().ops.values() if not op.doc.summary]
    assert missing == []
