"""A wrong argument is answered with a sentence that says what to pass, at every front door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import physrecon as pr
from physrecon.catalog import ALIASES
from physrecon.errors import ArgumentError, PhysreconError

SCAN = pr.ParallelBeam(np.arange(4) * 45.0, (1, 9), angle_unit="deg")
Y = np.ones((4, 1, 9), np.float32)
A = pr.Projector(SCAN)
F = pr.LeastSquares(A, Y)
PROBLEM = pr.Problem(F, pr.TV(0.1))
PSF, IMAGE = np.ones((3, 3)) / 9, np.random.default_rng(0).random((8, 9))

SENTENCES = {
    "name": (lambda: pr.solve(PROBLEM, "cgls"), r"did you mean pr\.ConjugateGradient\(\)\?"),
    "field's name": (lambda: pr.solve(PROBLEM, "art"), r"did you mean pr\.Kaczmarz\(\)\?"),
    "class": (lambda: pr.solve(PROBLEM, pr.SIRT), r"got the class SIRT; call it: pr\.SIRT\(\)"),
    "A and y": (lambda: pr.solve(A, Y), r"pr\.Problem\(pr\.LeastSquares\(A, y\)\)"),
    "likelihood": (lambda: pr.iterate(F, pr.SIRT()), r"wrap it in pr\.Problem\(f\)"),
    "stop": (lambda: pr.solve(PROBLEM, pr.PDHG(), stop=10), r"write pr\.Stop\(iterations=10\)"),
    "angles": (lambda: pr.fbp(Y, np.arange(4)), r"pr\.TiltedBeam, got ndarray of int"),
    "list": (lambda: A @ [[1.0]], r"convert it with np\.asarray\(x, np\.float32\)"),
    "integers": (lambda: A @ np.ones(A.in_shape, int), r"int64; convert it with \.astype"),
    "integer data": (lambda: pr.fbp(Y.astype(int), SCAN), r"int64; convert it with \.astype"),
    "product": (lambda: A * Y, r"use A @ x"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_sentence_says_what_to_pass(case):
    call, sentence = SENTENCES[case]
    with pytest.raises(ArgumentError, match=sentence):
        call()


DOORS = {  # call → arguments that are right
    pr.solve: (PROBLEM, pr.PDHG()),
    pr.iterate: (PROBLEM, pr.PDHG()),
    pr.choose_weight: (PROBLEM,),
    pr.Problem: (F,),
    pr.LeastSquares: (A, Y),
    pr.Huber: (A, Y, 1.0),
    pr.StudentT: (A, Y, 1.0),
    pr.PoissonLikelihood: (A, Y),
    pr.TransmissionLikelihood: (A, Y, 10.0),
    pr.fbp: (Y, SCAN),
    pr.wiener: (IMAGE, PSF),
    pr.tikhonov_filter: (IMAGE, PSF),
    pr.Projector: (SCAN,),
    pr.ParallelBeam: (np.arange(4.0), (1, 9)),
    pr.FanBeam: (np.arange(4.0), (1, 9)),
    pr.ConeBeam: (np.arange(4.0), (1, 9)),
    pr.TiltedBeam: (np.arange(4.0), (1, 9)),
    pr.VectorBeam.of: (SCAN,),
    pr.geometry.from_astra: ({"type": "cone"},),
    pr.geometry.from_cil: ({"set_panel": {}},),
    pr.geometry.from_leap: ({"numRows": 3},),
    pr.geometry.from_tigre: ({"mode": "cone"},),
    pr.Grid: ((1, 9, 9),),
    pr.Blur: (PSF, (9, 9)),
    pr.check_model: (PSF, ("row", "column")),
    pr.check_adjoint: (A,),
    pr.norm_bounds: (A,),
    pr.as_scipy: (A,),
    pr.as_operator: (PSF,),
    pr.sum_over: ([A],),
    pr.compare: (PSF, PSF),
    pr.open_scan: ("absent.h5",),
    pr.open_volume: ("absent.h5",),
    pr.open_image: ("absent.h5",),
    pr.find_center: (Y, SCAN.radians),
    pr.TotalVariation: (0.1,),
    pr.Tikhonov: (0.1,),
    pr.Stop: (10,),
}
JUNK = ["x", -3, None, object(), np.ones(2), pr.SIRT, {}, (1, "a")]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_junk_is_answered_by_an_error_of_ours(door):
    """Whatever stands in for one of the arguments: taken, or refused on purpose."""
    turns = door in (pr.ParallelBeam, pr.FanBeam, pr.ConeBeam, pr.TiltedBeam)
    more = {"angle_unit": "deg"} if turns else {}
    if door in (pr.FanBeam, pr.ConeBeam):
        more |= {"source_origin": 2, "source_detector": 3}
    for i, good in enumerate(DOORS[door]):
        for junk in JUNK:
            given = [*DOORS[door][:i], junk, *DOORS[door][i + 1 :]]
            try:
                door(*given, **more)
            except PhysreconError as error:
                assert len(str(error)) < 600
            except Exception as error:
                pytest.fail(f"{door.__name__}({i}: {good!r} → {junk!r}): {error!r}")


def test_second_names_are_those_of_the_table():
    for alias, name in ALIASES.items():
        assert getattr(pr, alias) is getattr(pr, name)
        assert alias in dir(pr) and alias not in pr.__all__
    lines = Path(pr.__file__).with_suffix(".pyi").read_text().splitlines()
    assert {f"{alias} = {name}" for alias, name in ALIASES.items()} <= {*lines}


class Tensor:
    """As a tensor of PyTorch: a dtype that is not NumPy's, and `__array__`."""

    def __init__(self, values):
        self._values, self.shape, self.dtype = values, tuple(values.shape), "torch.float32"

    def __array__(self, dtype=None, copy=None):
        return self._values if dtype is None else self._values.astype(dtype)


class Bare:
    """An object that has nothing but `__array__`."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return self._values


@pytest.mark.parametrize("kind", [Tensor, Bare])
def test_arrays_of_elsewhere_are_taken(kind):
    x = np.arange(81, dtype=np.float32).reshape(1, 9, 9)
    np.testing.assert_array_equal(A @ kind(x), A @ x)
    np.testing.assert_array_equal(pr.fbp(kind(Y), SCAN), pr.fbp(Y, SCAN))
    f = pr.LeastSquares(A, kind(Y))
    np.testing.assert_array_equal(f.gradient(kind(x)), F.gradient(x))
    stop = pr.Stop(iterations=2)
    one, same = (pr.solve(pr.Problem(F), pr.SIRT(), x0, stop) for x0 in (x, kind(x)))
    np.testing.assert_array_equal(one.x, same.x)
    assert pr.compare(kind(x), x).error["b"] == 0
