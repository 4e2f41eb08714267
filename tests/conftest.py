"""What all tests share: where the measured data lie, if they are here at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real measured data; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parent.parent / "../shared/data"
    folder = Path(os.environ.get("PHYSRECON_TEST_DATA", default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"measured data not found at {folder}; set PHYSRECON_TEST_DATA")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of the cases of a test in float64, all but the first are thorough."""
    seen = set()
    for item in items:
        test, _, case = item.nodeid.partition("[")
        if "float64" in case:
            if test in seen:
                item.add_marker("thorough")
            seen.add(test)
