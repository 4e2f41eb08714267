"""The public names and where they come from: read by type checkers, and at run time."""

from . import datasets as datasets, errors as errors, geometry as geometry, psf as psf
from .alignment.align import align as align
from .analytic.fbp import fbp as fbp
from .analytic.fdk import fdk as fdk
from .analytic.wiener import tikhonov_filter as tikhonov_filter, wiener as wiener
from .comparison import Comparison as Comparison, compare as compare
from .errors import (
    ArgumentError as ArgumentError,
    ConfigError as ConfigError,
    DataError as DataError,
    DeviceError as DeviceError,
    Interrupted as Interrupted,
    MissingInputError as MissingInputError,
    OutputError as OutputError,
    PhysreconError as PhysreconError,
    WriteError as WriteError,
)
from .geometry.cone_beam import ConeBeam as ConeBeam
from .geometry.fan_beam import FanBeam as FanBeam
from .geometry.grid import Grid as Grid
from .geometry.helical_cone import HelicalCone as HelicalCone
from .geometry.parallel_beam import ParallelBeam as ParallelBeam
from .geometry.tilted_beam import TiltedBeam as TiltedBeam
from .geometry.vector_beam import VectorBeam as VectorBeam
from .io import (
    open_image as open_image,
    open_scan as open_scan,
    open_volume as open_volume,
    write_image as write_image,
    write_scan as write_scan,
)
from .likelihoods import (
    Huber as Huber,
    LeastSquares as LeastSquares,
    Likelihood as Likelihood,
    PoissonGaussianLikelihood as PoissonGaussianLikelihood,
    PoissonLikelihood as PoissonLikelihood,
    StudentT as StudentT,
    TransmissionLikelihood as TransmissionLikelihood,
)
from .likelihoods.noise import (
    GaussianNoise as GaussianNoise,
    PoissonGaussianNoise as PoissonGaussianNoise,
    PoissonNoise as PoissonNoise,
    TransmissionNoise as TransmissionNoise,
)
from .likelihoods.noise_level import noise_level as noise_level
from .model_check.check import check_model as check_model
from .operators.adopted import (
    as_complex as as_complex,
    as_operator as as_operator,
    as_real as as_real,
)
from .operators.base import LinearOperator as LinearOperator, Operator as Operator
from .operators.blur.blur import Blur as Blur
from .operators.blur.varying import DepthBlur as DepthBlur, PatchBlur as PatchBlur
from .operators.calculus import Gradient as Gradient, SymmetricGradient as SymmetricGradient
from .operators.checks import (
    check_adjoint as check_adjoint,
    check_linearization as check_linearization,
    norm_bounds as norm_bounds,
)
from .operators.diagonal import Diagonal as Diagonal, Identity as Identity
from .operators.downsample import Downsample as Downsample
from .operators.mask import Mask as Mask
from .operators.nonlinear import (
    Exponential as Exponential,
    Function as Function,
    Pointwise as Pointwise,
)
from .operators.projection.fourier import FourierProjector as FourierProjector
from .operators.projection.projector import Projector as Projector
from .operators.scipy_operator import as_scipy as as_scipy
from .operators.stacks import block_diagonal as block_diagonal, hstack as hstack, vstack as vstack
from .operators.sum_over import sum_over as sum_over
from .operators.wavelet import Wavelet as Wavelet
from .pipeline.checkpoint import load_state as load_state, save_state as save_state
from .preprocess.find_center import find_center as find_center
from .preprocess.geometry_doctor import Diagnosis as Diagnosis, check_geometry as check_geometry
from .preprocess.line_integrals import prepare as prepare
from .preprocess.stitching import stitch as stitch
from .priors.base import Prior as Prior, PriorSum as PriorSum
from .priors.constraints import Box as Box, NonNegative as NonNegative
from .priors.nuclear import (
    NuclearNorm as NuclearNorm,
    NuclearTotalVariation as NuclearTotalVariation,
)
from .priors.plug_and_play import PlugAndPlay as PlugAndPlay
from .priors.sparsity import L1 as L1, WaveletL1 as WaveletL1
from .priors.tgv import TGV as TGV
from .priors.tikhonov import Tikhonov as Tikhonov
from .priors.total_variation import (
    HuberTV as HuberTV,
    JointTotalVariation as JointTotalVariation,
    TotalVariation as TotalVariation,
)
from .problem import Problem as Problem
from .psf.beads import psf_from_beads as psf_from_beads
from .solvers.adam import Adam as Adam, RMSprop as RMSprop
from .solvers.admm import ADMM as ADMM
from .solvers.base import Stop as Stop, iterate as iterate, solve as solve
from .solvers.blind_richardson_lucy import BlindRichardsonLucy as BlindRichardsonLucy
from .solvers.choose_iterations import choose_iterations as choose_iterations
from .solvers.choose_weight import choose_weight as choose_weight
from .solvers.conjugate_gradient import ConjugateGradient as ConjugateGradient
from .solvers.fista import FISTA as FISTA
from .solvers.gauss_newton import GaussNewton as GaussNewton
from .solvers.gradient_descent import GradientDescent as GradientDescent
from .solvers.kaczmarz import Kaczmarz as Kaczmarz
from .solvers.landweber import Landweber as Landweber
from .solvers.lbfgs import LBFGS as LBFGS
from .solvers.lsqr import LSQR as LSQR
from .solvers.mlem import MLEM as MLEM
from .solvers.osem import OSEM as OSEM
from .solvers.pdhg import PDHG as PDHG
from .solvers.result import Result as Result
from .solvers.richardson_lucy import RichardsonLucy as RichardsonLucy
from .solvers.saga import SAGA as SAGA
from .solvers.sart import SART as SART
from .solvers.sirt import SIRT as SIRT

# Second names: `ALIASES` of the catalog
CGLS = ConjugateGradient
GD = GradientDescent
RL = RichardsonLucy
TV = TotalVariation

__version__: str
