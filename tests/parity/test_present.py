"""In CI, a missing folder of parity data is a failure and not a pile of skipped tests."""

import os

import pytest

from benchmarks import parity


@pytest.mark.skipif(not os.environ.get("CI"), reason="only CI must have the parity data")
def test_ci_has_the_parity_data():
    assert parity.data_folder() is not None, parity.MISSING
