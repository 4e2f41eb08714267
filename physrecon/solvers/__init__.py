"""Iterative solvers: one loop (`solve`, `iterate`) and one algorithm per file."""

from physrecon.solvers.adam import Adam, RMSprop
from physrecon.solvers.admm import ADMM
from physrecon.solvers.base import Stop, iterate, solve
from physrecon.solvers.blind_richardson_lucy import BlindRichardsonLucy
from physrecon.solvers.choose_solver import choose_solver
from physrecon.solvers.conjugate_gradient import ConjugateGradient
from physrecon.solvers.fista import FISTA
from physrecon.solvers.gauss_newton import GaussNewton
from physrecon.solvers.gradient_descent import GradientDescent
from physrecon.solvers.kaczmarz import Kaczmarz
from physrecon.solvers.landweber import Landweber
from physrecon.solvers.lbfgs import LBFGS
from physrecon.solvers.lsqr import LSQR
from physrecon.solvers.mlem import MLEM
from physrecon.solvers.osem import OSEM
from physrecon.solvers.pdhg import PDHG
from physrecon.solvers.result import Record, Result
from physrecon.solvers.richardson_lucy import RichardsonLucy
from physrecon.solvers.saga import SAGA
from physrecon.solvers.sart import SART
from physrecon.solvers.sirt import SIRT
from physrecon.solvers.state import ArraysHeld, Solver, State
