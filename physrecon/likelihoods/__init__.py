"""Likelihoods f(x) = Σ φ(A x; y): misfit of a volume x to the data y, gradient, curvature."""

from physrecon.likelihoods.base import Likelihood
from physrecon.likelihoods.least_squares import LeastSquares
from physrecon.likelihoods.poisson import PoissonLikelihood
from physrecon.likelihoods.poisson_gaussian import PoissonGaussianLikelihood
from physrecon.likelihoods.robust import Huber, StudentT
from physrecon.likelihoods.transmission import TransmissionLikelihood
