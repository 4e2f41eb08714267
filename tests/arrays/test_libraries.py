"""Libraries that do not fit each other or the driver: exit 69, versions, and what to install."""

from __future__ import annotations

import builtins
import re
import sys
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest

from physrecon import arrays
from physrecon.arrays import libraries
from physrecon.errors import DeviceError
from physrecon.pipeline.preflight import require_machine


def job(device):
    return SimpleNamespace(device=device, threads=None)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    def set_version(version):
        text = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Thu Jan 1\n"
        (tmp_path / "version").write_text(text)
        monkeypatch.setattr(libraries, "DRIVER", tmp_path / "version")

    return set_version


def refused(device):
    with pytest.raises(DeviceError) as caught:
        require_machine(job(device))
    assert caught.value.exit_code == 69
    return str(caught.value)


def installed_by(text):
    """The requirements of the printed command, which pip's own parser must accept."""
    from packaging.requirements import Requirement

    command = re.search(r"`pip install ([^`]*)`", text)[1]
    return {Requirement(word.strip("'")).name for word in command.split()}


def test_a_missing_cupy_is_told_with_what_to_install(monkeypatch, driver):
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it raises
    driver("535.104.05")
    text = refused("cuda")
    assert f"numpy {np.__version__}" in text and "no CuPy" in text and "driver 535.104.05" in text
    assert installed_by(text) == {"numba-cuda", "cupy-cuda12x", "numpy"}
    driver("580.65.06")
    assert installed_by(refused("cuda")) == {"numba-cuda", "cupy-cuda13x", "numpy"}


@pytest.mark.parametrize("error", [ImportError("numba-cuda\nis not here"), RuntimeError("NVVM")])
def test_a_kernel_that_cannot_be_launched_is_told(error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(arrays, "cupy", lambda: SimpleNamespace(ones=np.ones))
    monkeypatch.setattr(arrays, "dots", fail)
    text = refused("cuda")
    assert type(error).__name__ in text and "\n" not in text
    assert f"numba-cuda {metadata.version('numba-cuda')}" in text and "no NVIDIA driver" in text


def test_a_kernel_with_a_wrong_result_is_told(monkeypatch):
    monkeypatch.setattr(arrays, "cupy", lambda: SimpleNamespace(ones=np.ones))
    require_machine(job("cuda"))
    monkeypatch.setattr(arrays, "dots", lambda *_: np.zeros(1))
    assert "8 ones is 0" in refused("cuda")


def test_a_numpy_that_numba_refuses_is_told(monkeypatch):
    there = builtins.__import__

    def without_numba(name, *rest):
        if name == "numba":
            raise ImportError("Numba needs NumPy 2.4 or less")
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_numba)
    text = refused("cpu")
    assert "Numba needs NumPy 2.4 or less" in text
    assert installed_by(text) == {"numpy", "numba"}
