"""Every CUDA kernel compiles, without a GPU, to PTX and machine code that hide no double."""

from __future__ import annotations

import importlib
import pkgutil
from types import SimpleNamespace

import numba
import pytest
from numba import complex64, float32, int32, int64, types, uint64

import physrecon.kernels
from physrecon.kernels._jit import gpu

pytest.importorskip("numba_cuda", reason="needs numba-cuda, which the extra `test` installs")
if numba.config.ENABLE_CUDASIM:
    pytest.skip("the simulator does not compile", allow_module_level=True)

from numba import cuda

pytestmark = pytest.mark.thorough
TARGETS = [(8, 0), (9, 0)]
BLOCK, TABLE, INDEX = float32[:, :, ::1], float32[:, ::1], int64[::1]
STACK = float32[:, :, :]
LINE, FLAGS, VECTOR = float32[::1], types.boolean[::1], float32[:, :, ::1]
SHAPE, PAIR = types.UniTuple(int64, 6), types.UniTuple(int64, 2)

SCALES, LAYOUT = types.UniTuple(float32, 3), types.UniTuple(int64, 3)
ADVANCE_BOTH = types.UniTuple(float32, 6)
LIMITS, ADVANCE, TRUE = types.UniTuple(float32, 2), types.UniTuple(float32, 5), types.boolean

PSFS = types.Array(float32, 6, "C")
CELLS, PLACES = int64[:, ::1], (int64[::1], LINE)
VIEWS = types.Tuple((int32[:, ::1], INDEX, int64))
DETECTOR, PITCH = types.Tuple((float32, float32, float32, TRUE)), types.UniTuple(float32, 3)
SPECTRA, OTFS = complex64[:, :, ::1], complex64[:, :, :, ::1]

# kernel → the types of its float32 instance
SIGNATURES = {
    "blur._blur_gpu": (PSFS, CELLS, TABLE, CELLS, INDEX, TRUE, BLOCK, BLOCK),
    "blur._mix_gpu": (OTFS, *PLACES, int64, TRUE, SPECTRA, SPECTRA),
    "losses._huber_gpu": (VECTOR, VECTOR, VECTOR, float32, int64, VECTOR),
    "losses._poisson_gpu": (VECTOR, VECTOR, VECTOR, int64, VECTOR),
    "losses._student_gpu": (VECTOR, VECTOR, float32, float32, int64, VECTOR),
    "losses._transmission_gpu": (VECTOR, VECTOR, VECTOR, VECTOR, int64, VECTOR),
    "convolution._columns_gpu": (LINE, int64, BLOCK, BLOCK),
    "convolution._dense_gpu": (BLOCK, types.UniTuple(int64, 3), BLOCK, BLOCK),
    "convolution._rows_gpu": (LINE, int64, TRUE, BLOCK, BLOCK),
    "duality_gap._gap_gpu": (
        *(SCALES, LAYOUT, LIMITS, LINE, FLAGS, TRUE, BLOCK, BLOCK, BLOCK, BLOCK),
    ),
    "generalised_variation._dual_gpu": (
        *(SCALES, LAYOUT, ADVANCE_BOTH, TABLE, FLAGS, BLOCK, BLOCK, BLOCK, BLOCK),
    ),
    "generalised_variation._primal_gpu": (
        *(SCALES, LAYOUT, ADVANCE_BOTH, LIMITS, FLAGS),
        *(BLOCK, BLOCK, BLOCK, BLOCK, BLOCK, BLOCK, BLOCK),
    ),
    "gradient_norms._flow_gpu": (SCALES, LAYOUT, float32, float32, TRUE, BLOCK, BLOCK),
    "gradient_norms._measure_gpu": (SCALES, LAYOUT, int64, float32, TRUE, BLOCK, BLOCK),
    "gradient_norms._project_gpu": (float32, BLOCK),
    "gridding._collect_gpu": (BLOCK, LINE, LINE, int64, STACK),
    "gridding._interpolate_gpu": (int32[:, ::1], TABLE, TABLE, int64, int64, BLOCK, BLOCK),
    "gridding._place_gpu": (STACK, LINE, LINE, int64, BLOCK),
    "gridding._spread_gpu": (
        *(int32[:, ::1], TABLE, TABLE, INDEX, INDEX, INDEX, int64, BLOCK, BLOCK),
    ),
    "half_quadratic._majorise_gpu": (
        *(SCALES, LAYOUT, float32, float32, TRUE, BLOCK, BLOCK, BLOCK),
    ),
    "parallel_beam._project_gpu": (VIEWS, int64, SHAPE, int64, LINE, BLOCK, BLOCK),
    "parallel_beam._backproject_gpu": (VIEWS, int64, SHAPE, int64, PAIR, LINE, BLOCK, BLOCK),
    "random._gaussian_gpu": (STACK, STACK, uint64, int64, PAIR, STACK),
    "random._poisson_gpu": (STACK, uint64, int64, PAIR, STACK),
    "richardson_lucy._extrapolate_gpu": (VECTOR, VECTOR, LINE, LINE, FLAGS, VECTOR, VECTOR),
    "richardson_lucy._multiply_gpu": (
        *(VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, LINE, FLAGS, VECTOR),
    ),
    "richardson_lucy._propose_gpu": (
        *(VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, LINE, FLAGS, VECTOR, VECTOR),
    ),
    "ray_derivatives._differentiate_gpu": (
        *(TABLE, TABLE, DETECTOR, PITCH, BLOCK, float32[:, :, :, ::1], BLOCK),
    ),
    "stacking._pack_gpu": (STACK, INDEX, LINE, BLOCK),
    "stacking._unpack_gpu": (BLOCK, INDEX, LINE, STACK),
    "stencils._adjoint_gpu": (SCALES, LAYOUT, BLOCK, BLOCK),
    "stencils._gradient_gpu": (SCALES, LAYOUT, BLOCK, BLOCK),
    "strain._strain_gpu": (SCALES, LAYOUT, BLOCK, BLOCK),
    "strain._stress_gpu": (SCALES, LAYOUT, BLOCK, BLOCK),
    "total_variation._step_gpu": (
        *(SCALES, LAYOUT, ADVANCE, LIMITS, LINE, FLAGS, TRUE),
        *(BLOCK, BLOCK, BLOCK, BLOCK, BLOCK),
    ),
    "vector_beam._backproject_gpu": (TABLE, TABLE, DETECTOR, PITCH, int64, BLOCK, BLOCK),
    "vector_beam._project_gpu": (TABLE, TABLE, DETECTOR, PITCH, BLOCK, BLOCK),
    "vectors._combine_gpu": (VECTOR, LINE, LINE, VECTOR, FLAGS, VECTOR),
    "vectors._distance_gpu": (VECTOR, VECTOR, VECTOR),
    "vectors._dot_gpu": (VECTOR, VECTOR, VECTOR),
    "vectors._step_gpu": (VECTOR, LINE, VECTOR, LINE, FLAGS, VECTOR),
    "voxel_driven._backproject_gpu": (TABLE, DETECTOR, PAIR, TABLE, BLOCK, BLOCK),
}


def kernels():
    """Every `gpu` kernel of every module, by name."""
    for info in pkgutil.iter_modules(physrecon.kernels.__path__):
        module = importlib.import_module(f"physrecon.kernels.{info.name}")
        for name, value in vars(module).items():
            if isinstance(value, gpu):
                yield f"{info.name}.{name}", value


@pytest.fixture
def no_gpu_needed(monkeypatch):
    """Calls to shared functions ask the current device for its compute capability."""
    import numba.cuda.dispatcher as dispatcher

    def pretend(capability):
        device = SimpleNamespace(compute_capability=capability)
        monkeypatch.setattr(dispatcher, "get_current_device", lambda: device)

    return pretend


def test_no_kernel_is_forgotten():
    assert set(SIGNATURES) == dict(kernels()).keys()


@pytest.mark.parametrize("capability", TARGETS, ids=lambda cc: "sm_{}{}".format(*cc))
@pytest.mark.parametrize("name", SIGNATURES)
def test_ptx_has_no_double(name, capability, no_gpu_needed):
    no_gpu_needed(capability)
    function = dict(kernels())[name].launchable()
    ptx, _ = cuda.compile_ptx(function, SIGNATURES[name], cc=capability)
    assert ".visible .entry" in ptx
    assert ".f64" not in ptx
