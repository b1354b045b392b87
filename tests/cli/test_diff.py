"""`nodeflow diff`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

from nodeflow.share.embed import embed
from tests.cli.conftest import Cli, Done

Here = Callable[..., Done]


def test_recipes_and_runs(here: Here, cli: Cli, hello: str) -> None:
    other = cli.write("other.json", (cli.folder / hello).read_text().replace("good morning", "good evening"))
    assert here("diff", hello, hello).out == "the same\n"
    done = here("diff", hello, other)
    assert done.code == 6
    assert done.out.splitlines()[1].split() == ["value", "text.text", "good", "morning", "good", "evening"]
    assert here("run", hello, "-q").code == here("run", other, "-q").code == 0
    new, old = (row["id"] for row in here("runs", "--json").json["runs"])
    runs = here("diff", old, new[:10], "--json")
    assert (runs.code, runs.json["same"]) == (6, False)
    assert [(c["kind"], c["place"]) for c in runs.json["changes"]] == [("value", "text.text"), ("result", "said.0")]
    assert here("diff", hello, old).out == "the same\n"
    assert here("diff", "-", hello, stdin=(cli.folder / hello).read_text()).code == 0


def test_pictures(here: Here, cli: Cli, hello: str) -> None:
    from PIL import Image

    recipe = json.loads((cli.folder / hello).read_text())
    for name, level in (("a.png", 0), ("b.png", 51), ("plain.png", 0)):
        buffer = io.BytesIO()
        Image.new("L", (4, 4), level).save(buffer, "PNG")
        data = buffer.getvalue()
        (cli.folder / name).write_bytes(data if name == "plain.png" else embed(data, {"recipe": recipe}))
    done = here("diff", "a.png", "b.png")
    assert done.code == 6
    assert "largest difference 0.2000, mean 0.200000, PSNR 14.0 dB, 100.0% of the pixels" in done.out
    plain = here("diff", "a.png", "plain.png")
    assert plain.code == 0
    assert "picture: every pixel is equal" in plain.out
    assert "plain.png carries no recipe" in plain.out


def test_what_cannot_be_compared(here: Here, cli: Cli, hello: str) -> None:
    assert here("diff", hello, "none.json").code == 4
    assert here("diff", hello, "abcdef").code == 2
    assert here("diff", hello, cli.write("bad.json", "{")).code == 3
    (cli.folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\njunk")
    done = here("diff", "bad.png", hello)
    assert (done.code, done.out) == (2, "")
    assert "bad.png carries no recipe" in done.err
