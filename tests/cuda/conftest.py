"""A device made of host arrays, for the simulator."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from physrecon import arrays
from physrecon.arrays import device
from physrecon.kernels import _jit

WRITERS: dict[int, threading.Thread] = {}  # address of an element → who wrote it in this launch


class OnDevice:
    """A host array that says it is the device's; views of it are too, its elements are numbers.

    An element that two threads of one launch write is an error: on a device they would race."""

    def __init__(self, host):
        self.host = host
        self.__cuda_array_interface__ = host.__array_interface__

    def __getattr__(self, name):
        return getattr(self.host, name)

    def __getitem__(self, index):
        part = self.host[index]
        return OnDevice(part) if isinstance(part, np.ndarray) else part

    def __setitem__(self, index, value):
        thread = threading.current_thread()
        if thread is not threading.main_thread():
            element = self.host[tuple(slice(i, i + 1) for i in index)]
            if WRITERS.setdefault(element.ctypes.data, thread) is not thread:
                raise RuntimeError(f"element {index}: expected one thread to write it, got two")
        self.host[index] = value

    def transpose(self, *axes):
        return OnDevice(self.host.transpose(*axes))

    def reshape(self, *shape):
        return OnDevice(self.host.reshape(*shape))

    def get(self):
        return self.host


@pytest.fixture
def simulated_device(monkeypatch):
    """A function that puts an array on the simulated device."""

    def asarray(array):
        return array if isinstance(array, OnDevice) else OnDevice(np.array(array))

    library = SimpleNamespace(
        asarray=asarray,
        ascontiguousarray=asarray,
        broadcast_to=lambda array, shape: OnDevice(np.broadcast_to(array.host, shape)),
        empty=lambda shape, dtype: OnDevice(np.empty(shape, dtype)),
        isfinite=lambda array: np.isfinite(array.host),
        shares_memory=lambda a, b: np.shares_memory(a.host, b.host),
    )
    for module in (arrays, device):  # the door of the room, and the file behind it
        monkeypatch.setattr(module, "cupy", lambda: library)
    launch = _jit.gpu.__call__

    def launch_anew(kernel, *args):
        WRITERS.clear()
        launch(kernel, *args)

    monkeypatch.setattr(_jit.gpu, "__call__", launch_anew)
    # Every thread of the simulator is one of Python: start few that have nothing to do.
    monkeypatch.setattr(_jit, "GPU_BLOCK", (4, 4, 1))
    return asarray
