"""How kernels are compiled: the only file that names a compilation flag.

`shared` functions hold the physics and are called by the CPU and the CUDA twin alike.  `cpu` is a
parallel entry, `inner` a serial piece of one, `exact` a piece whose rounding is as written.  `gpu`
marks a CUDA kernel of one thread per element of its output.  A `Twin` joins the two and lets the
type of the output array, which is always the last argument, choose the machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cached_property
from typing import Any

from numba import njit
from numba.core.bytecode import FunctionIdentity
from numba.extending import register_jitable

from physrecon.cancellation import cancellation_point
from physrecon.kernels import _cache, _threads

# Numba tells functions apart by a number in their symbols.  Every process counts from one, but the
# cache brings functions of many processes together: two of one name could share a symbol, and the
# linker took the first for both (Numba issue 10486).  Kernels of two widths of lanes did, because
# a symbol spells a record as a count of the process too, not as its contents.  So the numbers are
# drawn, from the system, since forked processes would share any other generator.
FunctionIdentity._unique_ids = iter(lambda: secrets.randbits(64), None)  # type: ignore[assignment]

# Never nnan or ninf: a NaN in the data must stay a NaN.
_FLAGS: dict[str, Any] = {
    "nogil": True,
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
    "fastmath": {"nsz", "arcp", "contract", "reassoc"},
}


def _kept(compiled: Callable[..., Any]) -> Callable[..., Any]:
    return lambda function: _cache.cached(compiled(function))


shared = register_jitable
# A long shared function in a loop that must vectorise: the compiler would call it otherwise.
inlined = register_jitable(forceinline=True)
cpu = _kept(njit(parallel=True, **_FLAGS))
inner = _kept(njit(**_FLAGS))
# Where two versions of a kernel must round alike: the compiler may neither fuse nor reorder.
exact = _kept(njit(**{**_FLAGS, "fastmath": False}))

GPU_BLOCK = (32, 4, 1)  # a warp takes 32 neighbours of the last axis


class gpu:
    """A CUDA kernel with one thread per element of its output, compiled when first launched.

    The kernel finds its element with `cuda.grid(3)`, last axis first.  `numba.cuda` is imported
    here and nowhere else, and only when a device array arrives."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def launchable(self) -> Callable[..., None]:
        """The function with the `cuda` of its body in reach."""
        from numba import cuda

        self.function.__globals__["cuda"] = cuda
        return self.function

    @cached_property
    def kernel(self) -> Any:
        function = self.launchable()
        return _cache.cached_on_gpu(function.__globals__["cuda"].jit(function))

    def __call__(self, *args: Any) -> None:
        extent = args[-1].shape[::-1]
        if 0 in extent:
            return
        blocks = tuple(-(-n // b) for n, b in zip(extent, GPU_BLOCK, strict=True))
        self.kernel[blocks, GPU_BLOCK](*args)


class Twin:
    """One physical kernel on two machines.  Before each launch the program may be stopped.

    on_gpu: None for a variant that only the CPU's registers have."""

    def __init__(self, on_cpu: Callable[..., None], on_gpu: gpu | None) -> None:
        self.cpu, self.gpu = on_cpu, on_gpu
        self.__doc__ = on_cpu.__doc__

    def __call__(self, *args: Any) -> None:
        cancellation_point()
        if self.gpu and hasattr(args[-1], "__cuda_array_interface__"):
            self.gpu(*args)
        else:
            with _threads.turn():
                self.cpu(*args)
