"""A scan to be named on the command line."""

from __future__ import annotations

import pytest
from discs import write_scan


@pytest.fixture
def scan(here):
    return write_scan(here / "scan.h5")
