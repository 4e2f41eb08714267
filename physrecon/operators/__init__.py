"""Operators and their algebra: linear ones have exact adjoints, others have Jacobians."""

from physrecon.operators.base import LinearOperator, Operator
from physrecon.operators.blur.blur import Blur
from physrecon.operators.blur.varying import DepthBlur, PatchBlur
from physrecon.operators.checks import check_adjoint, check_linearization, norm_bounds
from physrecon.operators.diagonal import Diagonal, Identity
from physrecon.operators.downsample import Downsample
from physrecon.operators.mask import Mask
from physrecon.operators.nonlinear import Exponential, Function, Pointwise
from physrecon.operators.projection.projector import Projector
from physrecon.operators.stacks import block_diagonal, hstack, vstack
from physrecon.operators.wavelet import Wavelet
