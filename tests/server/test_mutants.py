"""Guards taken out one at a time: the tests must notice each. A guard that no test misses is as good as gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    """A piece of a module, what stands in its place, and the tests (of one file) that must fail then."""

    module: str
    old: str
    new: str
    file: str
    tests: str = ""


G, A, L = "guards.py", "access.py", "test_guards.py"
MUTANTS = {
    "host": Mutant(G, "    check_host(request, access)\n", "", L, "name_that_is_not_ours"),
    "host in the target": Mutant(G, 'not request.raw_path.startswith("/")', "False", L, "two_hosts"),
    "host by its beginning": Mutant(
        G,
        "given[0].lower() not in access.hosts",
        "not given[0].lower().startswith(tuple(access.hosts))",
        L,
        "name_that",
    ),
    "origin": Mutant(G, "    check_origin(request, access)\n", "", L, "other_sites"),
    "origin by its beginning": Mutant(
        G, "origin not in access.origins", "not origin.startswith(tuple(access.origins))", L, "other_sites"
    ),
    "origin null": Mutant(
        G, "origin not in access.origins", 'origin not in {*access.origins, "null"}', L, "other_sites"
    ),
    "fetch site": Mutant(G, "    check_fetch_site(request)\n", "", L, "other_sites"),
    "same site": Mutant(G, '("same-origin", "none")', '("same-origin", "same-site", "none")', L, "other_sites"),
    "token": Mutant(G, "            check_token(request, access)\n", "            pass\n", L, "wants_the_token"),
    "token of any sort": Mutant(G, 'kind.lower() == "bearer" and', "", L, "wants_the_token"),
    "cookie": Mutant(
        G, "if not same(request.cookies.get", "if False and not same(request.cookies.get", L, "wants_the_token"
    ),
    "cookie that writes": Mutant(
        G, "request.method not in SAFE_METHODS and not {", "False and not {", L, "cookie_lets"
    ),
    "token for the cookie": Mutant(A, "session_of(token, port), f", "token, f", L, "wants_the_token"),
    "constant time": Mutant(A, "hmac.compare_digest(", "bytes.__eq__(", L, "constant_time"),
    "content type": Mutant(G, "        check_content_type(request, route)\n", "", L, "json_or_bytes"),
    "charset": Mutant(G, ' or charset not in ("", ', ' or "x" in (', L, "json_or_bytes"),
    "compressed": Mutant(
        G, 'if request.headers.get("Content-Encoding"', 'if False and request.headers.get("X"', L, "json_or"
    ),
    "body where there is none": Mutant(G, "if request.body_exists:", "if False:", L, "limit"),
    "size": Mutant(G, "        check_size(request, route)\n", "", L, "bodies_have_a_limit"),
    "counted size": Mutant("openapi.py", "if size > self._limit:", "if False:", L, "counted"),
    "number of values": Mutant("openapi.py", "len(data) > MAX_VALUES and", "False and", "test_recipes.py", "millions"),
    "expect": Mutant("app.py", ", expect_handler=wait_with_expect", "", L, "expect_is"),
    "order": Mutant(
        G,
        "    check_host(request, access)\n    check_origin(request, access)\n",
        "    check_origin(request, access)\n    check_host(request, access)\n",
        L,
        "in_their_order",
    ),
    "headers": Mutant(G, "    for name, value in HEADERS.items():\n", "    for name, value in ():\n", L, "headers"),
    "policy": Mutant(G, '"Content-Security-Policy", DATA_POLICY', '"X-Nothing", DATA_POLICY', L, "headers"),
    "headers of nonsense": Mutant("wire.py", "{**HEADERS, ", "{", L, "nonsense"),
    "errors": Mutant(
        "problem.py", "this is a fault of nodeflow; the server's log has more\")", '" + repr(error))', L, "traces"
    ),
    "code used twice": Mutant(
        A, "self._good.pop(_name(code), ", "self._good.get(_name(code), ", "test_login.py", "once"
    ),
    "code that never ends": Mutant(A, "if end > time.monotonic() else", "if end else", "test_login.py", "codes"),
    "cookie for scripts": Mutant("login.py", "httponly=True", "httponly=False", "test_login.py", "once"),
    "cookie for other sites": Mutant("login.py", '"Strict"', '"Lax"', "test_login.py", "once"),
    "token's file": Mutant(
        A, '        if os.name == "posix" and', "        if False and", "test_login.py", "owner_only"
    ),
    "far hosts": Mutant(
        "listen.py", "if not is_loopback(options.host) and", "if False and", "test_login.py", "others_are"
    ),
    "tls": Mutant(
        "listen.py", 'options.public.startswith("https://")', "options.public", "test_login.py", "others_are"
    ),
    "links": Mutant("shelf.py", "entry.is_file(follow_symlinks=False)", "entry.is_file()", "test_uploads.py", "folder"),
    "hidden files": Mutant("shelf.py", 'entry.name.startswith(".") or', "", "test_uploads.py", "leads_out"),
    "paths of names": Mutant("shelf.py", " if name in self.files() else None", "", "test_uploads.py", "leads_out"),
    "behind the end": Mutant(
        "media.py", "if not pixels or at != len(data):", "if not pixels:", "test_uploads.py", "no_pic"
    ),
    "pixels": Mutant("media.py", "> MAX_PIXELS:", "> 10**30:", "test_uploads.py", "bombs"),
    "frames": Mutant(
        "media.py",
        "found.width * found.height * found.frames >",
        "found.width * found.height >",
        "test_uploads.py",
        "bombs",
    ),
    "texts": Mutant("media.py", "if texts > MAX_TEXT:", "if False:", "test_uploads.py", "bombs"),
    "inline": Mutant(
        "given_files.py", "kind in PICTURES and not given.download", "not given.download", "test_uploads.py", "hostile"
    ),
    "sandbox": Mutant("given_files.py", "sandbox; ", "", "test_uploads.py", "hostile"),
    "policy of what is kept": Mutant(
        "given_files.py", '"Content-Security-Policy": FILE_POLICY, "Cache', '"Cache', "test_ranges.py", "versions"
    ),
    "blobs that are not hashed": Mutant(
        "artefact_files.py", "if hasher.hexdigest() != digest:", "if False:", "test_ranges.py", "never_believed"
    ),
    "head without a token": Mutant(
        G,
        "    if route is None or not route.public:",
        '    if request.method != "HEAD":',
        "test_ranges.py",
        "same_guards",
    ),
    "type of files": Mutant(
        "given_files.py", 'kind or "application/octet-stream"', '"text/html"', "test_uploads.py", "hostile"
    ),
    "names of downloads": Mutant(
        "given_files.py", "safe = safe_name(name)", "safe = name", "test_uploads.py", "header"
    ),
    "versions": Mutant("workflows.py", 'tags & {"*", etag_of(now)}', "True", "test_recipes.py", "seen or same_time"),
    "no version": Mutant(
        "workflows.py", "if wanted is None and absent is None:", "if False:", "test_recipes.py", "seen"
    ),
    "one writer": Mutant(
        "workflows.py",
        "    async with services.saving:\n        info",
        "    if True:\n        info",
        "test_recipes.py",
        "same_time",
    ),
    "working folder": Mutant("services.py", ", working_folder=False", "", "test_recipes.py", "working_folder"),
    "table of files": Mutant("static.py", "and not path.is_symlink() ", "", "test_files.py", "table"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and the tests in a folder of their own; what they do not change is linked."""
    import shutil

    root = tmp_path_factory.mktemp("mutants")
    ignored = shutil.ignore_patterns("__pycache__", "_web", "node_modules")
    shutil.copytree(ROOT / "nodeflow", root / "nodeflow", ignore=ignored)
    (root / "tests").mkdir()
    shutil.copytree(ROOT / "tests" / "server", root / "tests" / "server", ignore=ignored)
    for name in ("tests/__init__.py", "tests/conftest.py", "workflows", "pyproject.toml", "web"):
        if (ROOT / name).exists():
            os.symlink(ROOT / name, root / name)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_guard_that_is_gone_is_missed(copy: Path, name: str) -> None:
    mutant = MUTANTS[name]
    path = copy / "nodeflow" / "server" / mutant.module
    source = path.read_text("utf-8")
    assert source.count(mutant.old) >= 1, f"{mutant.module} does not have {mutant.old!r} any more"
    path.write_text(source.replace(mutant.old, mutant.new), "utf-8")
    try:
        done = outcome(copy, mutant)
    finally:
        path.write_text(source, "utf-8")
    assert done.returncode == 1, f"no test misses {mutant.old!r}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.slow
def test_without_a_mutation_the_copy_is_well(copy: Path) -> None:
    for file in sorted({mutant.file for mutant in MUTANTS.values()}):
        names = sorted({mutant.tests for mutant in MUTANTS.values() if mutant.file == file})
        done = outcome(copy, Mutant("", "", "", file, " or ".join(names)))
        assert done.returncode == 0, done.stdout[-3000:]


def outcome(copy: Path, mutant: Mutant) -> subprocess.CompletedProcess[str]:
    """Run the tests that must notice, until the first does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:randomly"]
    chosen = [f"tests/server/{mutant.file}", "-k", mutant.tests or "test", "-m", "not slow"]
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*command, *chosen], cwd=copy, env=environment, capture_output=True, text=True, timeout=280)
