"""Priors and constraints: what is known of x before it is measured."""

from physrecon.priors.base import Prior
from physrecon.priors.constraints import Box, Constraint, NonNegative, is_nonnegative

__all__ = ["Box", "Constraint", "NonNegative", "Prior", "is_nonnegative"]
