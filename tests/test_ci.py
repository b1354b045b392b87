"""In CI nothing may be skipped for want of what `.ci/run` and the test extra bring: there it is a failure."""

import importlib.util
import os
import shutil

import pytest

from benchmarks import parity

pytestmark = pytest.mark.skipif(not os.environ.get("CI"), reason="only CI must have all that tests can use")


@pytest.mark.parametrize(
    "package", ["apsw", "c2pa", "comfyui_workflow_templates_json", "matplotlib", "opentelemetry.sdk", "torch"]
)
def test_the_package_is_there(package):
    assert importlib.util.find_spec(package), f"tests that need {package} would be skipped"


def test_the_parity_data_is_there():
    assert parity.data_folder() is not None, parity.MISSING


def test_npm_is_there():
    assert shutil.which("npm"), "the tests that build the canvas would be skipped"
