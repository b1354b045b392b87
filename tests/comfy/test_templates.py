"""ComfyUI's official workflows: all are read, without loss, each with its report.

Their package (MIT, 31 MB unpacked) comes with the test extra; NODEFLOW_COMFY_TEMPLATES may name a folder that has it.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nodeflow.comfy import original, read, to_api
from nodeflow.comfy.document import is_ui
from nodeflow.comfy.flatten import flatten
from nodeflow.comfy.graph import Source
from nodeflow.comfy.report import Report
from nodeflow.comfy.unfold import unfold
from nodeflow.files import Files
from nodeflow.problems import CODES
from nodeflow.registry import installed
from nodeflow.rules import check
from nodeflow.workflow import Workflow

from .test_fold import shape

PACKAGE = "comfyui_workflow_templates_json"


def folder() -> Path | None:
    if named := os.environ.get("NODEFLOW_COMFY_TEMPLATES"):
        places = [Path(named), Path(named, PACKAGE)]
    else:
        spec = importlib.util.find_spec(PACKAGE)
        places = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    return next((place / "templates" for place in places if (place / "templates").is_dir()), None)


FOLDER = folder()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FOLDER is None, reason=f"the package {PACKAGE} is not installed"),
]
EXPECTED = {"NF102", "NF105", "NF203", "NF301", "NF302", "NF303"}
"""Ops that are not here, inputs that the file leaves open, words that are not here, files that are not here."""


def documents() -> list[tuple[str, bytes, Any]]:
    assert FOLDER is not None
    files = ((p.name, p.read_bytes()) for p in sorted(FOLDER.glob("*.json")))
    return [(name, data, document) for name, data in files if is_ui(document := json.loads(data))]


def test_all_are_read_without_loss() -> None:
    nodes = converted = 0
    for name, data, document in documents():
        found = read(data, source=name, ops=installed().ops)
        assert original(Workflow.parse(found.workflow.text())) == document, name
        codes = {p.code for p in check(found.workflow, installed(), Files()).errors}
        assert codes <= EXPECTED, (name, {code: CODES[code] for code in codes - EXPECTED})
        assert json.dumps(found.report.to_json())
        nodes += found.report.nodes
        converted += found.report.converted
    assert nodes == 7806
    assert converted >= 5500


def test_links_end_where_a_count_by_hand_says() -> None:
    count = 0
    for _, _, document in documents():
        items = flatten(document, Report()).items.values()
        count += sum(isinstance(v, Source) for item in items if not item.off for v in item.inputs.values())
    assert (len(documents()), count) == (644, 9536)


def test_folding_sub_graphs_changes_nothing() -> None:
    folded = 0
    for name, data, _ in documents():
        ops = installed().ops
        whole, flat = read(data, source=name, ops=ops), read(data, source=name, ops=ops, definitions=False)
        assert shape(unfold(whole.workflow)) == shape(flat.workflow), name
        assert to_api(whole.workflow, leave_out=True)[0] == to_api(flat.workflow, leave_out=True)[0], name
        folded += bool(whole.workflow.definitions)
    assert folded == 208
