"""Every public class and function has an example in its docstring, which prints what it says.

An example finds `np` and `pr` imported, and an empty folder as the current one."""

from __future__ import annotations

import doctest
import inspect

import numpy as np
import pytest

import physrecon as pr

pytestmark = pytest.mark.thorough

ROOMS = {"": pr, "psf.": pr.psf, "datasets.": pr.datasets, "geometry.": pr.geometry}


def public():
    """Public name → class or function; errors need no example."""
    things = {
        f"{room}{name}": getattr(module, name)
        for room, module in ROOMS.items()
        for name in dir(module)
    }
    return {
        name: thing
        for name, thing in things.items()
        if inspect.isfunction(thing)
        or (inspect.isclass(thing) and not issubclass(thing, Exception))
    }


@pytest.mark.parametrize(("name", "thing"), public().items(), ids=public())
def test_example_prints_what_it_says(name, thing, here):
    assert ">>>" in (thing.__doc__ or ""), f"{name}: expected an example in its docstring, got none"
    runner, report = doctest.DocTestRunner(), []
    for test in doctest.DocTestFinder().find(thing, name, globs={"np": np, "pr": pr}):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
