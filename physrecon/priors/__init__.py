"""Priors weight · R(x) and constraints: knowledge of x that does not come from the data."""

from physrecon.priors.base import Prior, PriorSum
from physrecon.priors.constraints import Box, Constraint, NonNegative, is_nonnegative
from physrecon.priors.nuclear import NuclearNorm, NuclearTotalVariation
from physrecon.priors.plug_and_play import PlugAndPlay
from physrecon.priors.sparsity import L1, WaveletL1
from physrecon.priors.tgv import TGV
from physrecon.priors.tikhonov import Tikhonov
from physrecon.priors.total_variation import HuberTV, JointTotalVariation, TotalVariation
