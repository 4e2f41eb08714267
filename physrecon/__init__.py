"""physrecon: exact operators, solvers that stop by themselves, volumes in HDF5.

`__init__.pyi` lists the public names.  They load when they are first used (PEP 562), so that
`import physrecon` costs nothing: neither numba nor h5py is imported before something needs them."""

from __future__ import annotations

from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("physrecon")
    else:
        value = _load(name)
    globals()[name] = value
    return value
