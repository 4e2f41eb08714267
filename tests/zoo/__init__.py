"""One list per concept: every case of a list is tested for every property it must have.

To add an operator, a prior, a likelihood or a solver to the tests, add one line to its file."""

from zoo.data import counts_for, data_for, noise
from zoo.likelihoods import LIKELIHOODS, bent, tower
from zoo.matrices import (
    KEEP,
    VALUES,
    Dense,
    FastNormal,
    SliceWise,
    alike,
    positive,
    random_matrix,
    signed,
    slice_matrix,
    unlike,
    with_empty_rows,
)
from zoo.nonlinear import FLATS, NONLINEAR
from zoo.operators import OPERATORS
from zoo.pairs import strain_matrix
from zoo.priors import PRIOR_SHAPE, PRIORS, differences, priors_of
from zoo.solvers import ALL_SOLVERS, CONSTRAINED, PROXIMAL, SOLVERS, problem_for
