"""Iterative solvers: one loop (`solve`, `iterate`) and one algorithm per file."""

from physrecon.solvers.base import Record, Result, Stop, iterate, solve
from physrecon.solvers.conjugate_gradient import ConjugateGradient
from physrecon.solvers.gradient_descent import GradientDescent
from physrecon.solvers.landweber import Landweber
from physrecon.solvers.lsqr import LSQR
from physrecon.solvers.sirt import SIRT
from physrecon.solvers.state import Solver, State

METHODS: dict[str, type] = {
    method.name: method for method in (ConjugateGradient, GradientDescent, Landweber, LSQR, SIRT)
}

__all__ = [
    "LSQR",
    "METHODS",
    "SIRT",
    "ConjugateGradient",
    "GradientDescent",
    "Landweber",
    "Record",
    "Result",
    "Solver",
    "State",
    "Stop",
    "iterate",
    "solve",
]
