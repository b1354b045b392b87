"""What `nodeflow new` writes."""

from __future__ import annotations

from typing import Any

RECIPE: dict[str, Any] = {
    "format": "nodeflow/1",
    "title": "",
    "inputs": {
        "prompt": {"to": ["positive.text"], "description": "what the picture should show"},
        "seed": {"to": ["sample.seed"]},
    },
    "outputs": {"image": "decode.image"},
    "nodes": {
        "checkpoint": {"op": "diffusion/load_checkpoint@1", "values": {"model": "shapes-64"}},
        "positive": {
            "op": "diffusion/encode_prompt@1",
            "values": {"text": "a red star on a blue background"},
            "links": {"text_encoder": "checkpoint.text_encoder"},
        },
        "negative": {
            "op": "diffusion/encode_prompt@1",
            "values": {"text": ""},
            "links": {"text_encoder": "checkpoint.text_encoder"},
        },
        "latent": {"op": "latent/empty@1", "values": {"width": 64, "height": 64, "channels": 4, "downscale": 4}},
        "sample": {
            "op": "diffusion/sample@1",
            "values": {"seed": 1, "steps": 20, "guidance": 3.0},
            "links": {
                "model": "checkpoint.model",
                "positive": "positive.conditioning",
                "negative": "negative.conditioning",
                "latent": "latent.latent",
            },
        },
        "decode": {"op": "diffusion/decode@1", "links": {"latent": "sample.latent", "vae": "checkpoint.vae"}},
    },
    "layout": {
        "checkpoint": {"at": [0, 0]},
        "positive": {"at": [320, 0]},
        "negative": {"at": [320, 180]},
        "latent": {"at": [320, 340]},
        "sample": {"at": [660, 60]},
        "decode": {"at": [1000, 60]},
    },
}
"""A prompt becomes a picture; without its title."""

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "nodeflow-pack-{name}"
version = "0.1.0"
description = "Nodes of my own"
requires-python = ">=3.11"
dependencies = ["nodeflow-engine"]

[project.optional-dependencies]
test = ["pytest"]

# This is how nodeflow finds the pack: the module, and all ops in it and below it.
[project.entry-points."nodeflow.packs"]
{name} = "{name}"

[tool.hatch.build.targets.wheel]
packages = ["{name}"]
"""

_INIT = '''\
"""The pack {name}. Its modules are imported when nodes are listed, so they must not import torch at the top."""

from {name} import nodes

__all__ = ["nodes"]
'''

_NODES = '''\
"""The pack's nodes: plain typed functions. The signature is the only port list."""

from __future__ import annotations

from typing import Annotated

from nodeflow import Multiline, Range, node


@node("{name}/shout")
def shout(text: Annotated[str, Multiline()], times: Annotated[int, Range(1, 10)] = 1) -> str:
    """Say a text loudly.

    Args:
        text: what to say.
        times: how many exclamation marks follow it.
    """
    return text.upper() + "!" * times
'''

_TEST = '''\
"""Calling the function is calling the node."""

from {name}.nodes import shout


def test_shout() -> None:
    assert shout("hello", times=2) == "HELLO!!"
'''

_RECIPE = """\
{
  "format": "nodeflow/1",
  "title": "Shout",
  "inputs": {
    "text": {
      "to": [
        "shout.text"
      ]
    }
  },
  "outputs": {
    "text": "shout.text"
  },
  "nodes": {
    "shout": {
      "op": "{name}/shout@1",
      "values": {
        "text": "hello",
        "times": 3
      }
    }
  }
}
"""

_README = """\
# {name}

Nodes for nodeflow.

```console
$ pip install -e '.[test]'
$ pytest
$ nodeflow describe {name}/shout
$ nodeflow run shout.json --set text="good morning"
```
"""

PACK = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    "shout.json": _RECIPE,
    "{name}/__init__.py": _INIT,
    "{name}/nodes.py": _NODES,
    "tests/test_nodes.py": _TEST,
}
"""Files of a new pack; `{name}` stands for its name in paths and texts."""
