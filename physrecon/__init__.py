"""physrecon: exact operators, solvers that stop by themselves, volumes in HDF5.

`__init__.pyi` lists the public names.  They load when they are first used (PEP 562), so that
`import physrecon` costs nothing: neither numba nor h5py is imported before something needs them."""

from __future__ import annotations

from typing import Any

import lazy_loader

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("physrecon")
    elif name in __all__:
        value = _load(name)
    elif name in _aliases():
        value = _load(_aliases()[name])
    else:
        raise AttributeError(f"module 'physrecon' has no attribute {name!r}{_advice(name)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_aliases()])


def _aliases() -> dict[str, str]:
    """Second name → name, as CGLS → ConjugateGradient."""
    from physrecon.catalog import ALIASES

    return ALIASES


def _advice(name: str) -> str:
    if name.startswith("_"):
        return ""
    from physrecon.catalog import nearest_class

    return nearest_class(name, __all__)
