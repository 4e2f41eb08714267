"""CUDA kernels against their CPU twins, in Numba's simulator.

The simulator must be chosen before Numba is imported, hence in a process of its own:
`NUMBA_ENABLE_CUDASIM=1 pytest tests/cuda`."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from geometries import geometry

import physrecon as pr
from physrecon import arrays
from physrecon.geometry.view_tables import interpolation_table
from physrecon.kernels import blur, duality_gap, generalised_variation, losses
from physrecon.kernels.random import gaussian, philox, poisson
from physrecon.likelihoods import expectation
from physrecon.operators.blur.direct import DenseConvolution, DirectConvolution
from physrecon.operators.projection.parallel_beam import ParallelEngine
from physrecon.operators.projection.projector import ENGINES
from physrecon.operators.projection.ray_derivatives import slopes_of

if not numba.config.ENABLE_CUDASIM:
    pytest.skip("needs NUMBA_ENABLE_CUDASIM=1 in the environment", allow_module_level=True)

CASES = ["right angles", "off-centre", "small pixels", "large pixels", "oblong voxels", "one voxel"]
DTYPES = [np.float32, np.float64]
CLOSE = {np.float32: 1e-5, np.float64: 1e-13}


def random(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_twins(cpu, gpu):
    host = gpu.host  # the result lives where the input lives
    np.testing.assert_allclose(host, cpu, atol=CLOSE[cpu.dtype.type] * np.abs(cpu).max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_projector(name, dtype, simulated_device):
    A = pr.Projector(*geometry(name))
    x, y = random(A.in_shape, dtype), random(A.out_shape, dtype, 1)
    assert_twins(A @ x, A @ simulated_device(x))
    assert_twins(A.T @ y, A.T @ simulated_device(y))


@pytest.mark.parametrize("name", ["off-centre", "small pixels"])
def test_interpolating_backprojection(name, simulated_device):
    scan, grid = geometry(name)
    table = interpolation_table(scan, grid, np.linspace(1, 2, len(scan)))
    kernels = ParallelEngine(scan, grid, table)
    y = random(scan.shape, np.float32)
    cpu, gpu = np.empty(grid.shape, np.float32), simulated_device(np.empty(grid.shape, np.float32))
    kernels.backproject(y, cpu)
    kernels.backproject(simulated_device(y), gpu)
    assert_twins(cpu, gpu)


CURVED = {"detector": "curved", "source_detector": 20.0}
SCANS = {
    "cone": pr.ConeBeam([10, 130], (3, 4), angle_unit="deg", source_origin=9, source_detector=12),
    "curved": pr.ConeBeam([10, 130], (3, 4), angle_unit="deg", source_origin=9, **CURVED),
    "source in the grid": pr.ConeBeam(
        *([10, 130], (3, 4)), angle_unit="deg", source_origin=1, source_detector=12
    ),
    "tilted": pr.TiltedBeam([10, 130], (3, 4), angle_unit="deg", tilt=20),
    "fan": pr.FanBeam([10, 130], (3, 4), angle_unit="deg", source_origin=9, source_detector=12),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SCANS)
def test_rays_of_any_direction(name, dtype, simulated_device):
    """Of float32 rays are computed in float32 on the device, in float64 on the host."""
    A = pr.Projector(SCANS[name], pr.Grid((3, 4, 5)))
    x, y = random(A.in_shape, dtype), random(A.out_shape, dtype, 1)
    assert_twins(A @ x, A @ simulated_device(x))
    assert_twins(A.T @ y, A.T @ simulated_device(y))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["cone", "curved", "tilted"])
def test_derivatives_by_rays(name, dtype, simulated_device):
    grid = pr.Grid((3, 4, 5))
    x = random(grid.shape, dtype)
    cpu, gpu = (slopes_of(SCANS[name], grid, v) for v in (x, simulated_device(x)))
    for here, there in zip(cpu, gpu, strict=True):
        assert_twins(here, there)


@pytest.mark.parametrize("name", ["cone", "fan"])
def test_fdk(name, simulated_device):
    scan = SCANS[name][[0, 1, 0, 0]]
    engine = ENGINES[type(scan)](scan, pr.Grid((3, 4, 5)))
    y, out = random(scan.shape, np.float32), np.empty((3, 4, 5), np.float32)
    there = simulated_device(np.empty((3, 4, 5), np.float32))
    engine.interpolate(y, np.arange(4.0), 1.3, out)
    engine.interpolate(simulated_device(y), np.arange(4.0), 1.3, there)
    assert_twins(out, there)
    if name == "cone":
        weights = np.arange(12.0).reshape(4, 3) % 5
        engine.interpolate(y, weights, 1.3, out)
        engine.interpolate(simulated_device(y), weights, 1.3, there)
        assert_twins(out, there)


SHAPES = [((2, 3, 5), 0), ((4, 3, 70), 1), ((7, 11), None)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_vector_updates(shape, axis, dtype, simulated_device):
    count = 1 if axis is None else shape[axis]
    a, b, active = np.arange(1.0, count + 1), np.full(count, 0.5), np.arange(count) % 2 == 0
    bounds = (-0.5, 0.75)

    def everything(device):
        x, y = device(random(shape, dtype)), device(random(shape, dtype, 1))
        return [
            arrays.dots(x, y, axis),
            arrays.distances(x, y, axis),
            arrays.combine(y, b, a, x, axis, active),
            *arrays.step(x, a, y, bounds, axis, active),
            arrays.to_host(x),
            arrays.to_host(y),
        ]

    for cpu, gpu in zip(everything(np.copy), everything(simulated_device), strict=True):
        np.testing.assert_allclose(gpu, cpu, rtol=CLOSE[dtype], atol=CLOSE[dtype])


def test_random_words():
    """The body of the CUDA kernels, run as Python, against the compiled one of the CPU."""
    rng = np.random.default_rng(0)
    compiled = numba.njit(lambda counter, seed: philox(counter, seed))
    for bits in rng.integers(0, 2**32, (50, 6), np.uint64):
        counter, seed = tuple(bits[:4]), bits[4] | bits[5] << np.uint64(32)
        assert compiled(counter, seed) == philox(counter, seed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise(dtype, simulated_device):
    shape, place = (2, 3, 40), (np.uint64(7 << 40), 1 << 33, (1000, 50))
    mean = np.geomspace(1e-2, 1e7, 240).reshape(shape).astype(dtype)
    sigma = np.broadcast_to(np.linspace(1, 2, 40, dtype=dtype), shape)
    for twin, inputs in ((poisson, (mean,)), (gaussian, (0 * mean, sigma))):
        cpu, gpu = np.empty(shape, dtype), simulated_device(np.empty(shape, dtype))
        twin(*inputs, *place, cpu)
        twin(*map(simulated_device, inputs), *place, gpu)
        assert_twins(cpu, gpu)
        assert twin is gaussian or np.count_nonzero(cpu != gpu.host) <= 1


BASIC = (losses.SLOPES, losses.CURVATURES, losses.LOSSES)
LOSSES = [
    (losses.residuals, 1, (0.7,), (*BASIC, losses.RESIDUALS)),
    (losses.residuals, 1, (np.inf,), (*BASIC, losses.RESIDUALS)),
    (losses.student_t, 0, (0.3, 2.5), BASIC),
    (losses.counts, 1, (), (*BASIC, losses.RATIOS)),
    (losses.transmitted_counts, 2, (), BASIC),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("twin", "parameters", "numbers", "whats"), LOSSES)
def test_losses(twin, parameters, numbers, whats, dtype, simulated_device):
    shape = (2, 3, 70)
    p, y = 3 * abs(random(shape, dtype)), np.round(3 * abs(random(shape, dtype, 1)))
    p[0, 0, :3] = 0, 90, 1e-3
    like = [1 + abs(random((1, 3, 70), dtype, 2)), abs(random((2, 1, 70), dtype, 3))]
    for what in whats:
        args = [*like[:parameters], *map(dtype, numbers), what]
        cpu, partial = p.copy(), np.empty((2, 3, 1))
        twin(cpu, y, *args, partial)
        gpu, few = simulated_device(p.copy()), simulated_device(np.empty((2, 3, 2), dtype))
        on_device = [simulated_device(a) if isinstance(a, np.ndarray) else a for a in args]
        twin(gpu, simulated_device(y), *on_device, few)
        np.testing.assert_allclose(gpu.host, cpu, rtol=100 * CLOSE[dtype], atol=10 * CLOSE[dtype])
        if what != losses.CURVATURES:
            np.testing.assert_allclose(few.host.sum(2), partial.sum(2), rtol=10 * CLOSE[dtype])


# Shape and axes: 2-D, 3-D, slices, a channel axis, thin axes, differences along one axis.
LATTICES = [
    ((5, 7), None),
    ((3, 4, 5), None),
    ((3, 4, 5), (1, 2)),
    ((4, 3, 5), (0, 2)),
    ((3, 4, 5), (0, 1)),
    ((2, 3, 4, 3), (0, 2, 3)),
    ((1, 4, 1), None),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axes"), LATTICES)
def test_gradient(shape, axes, dtype, simulated_device):
    A = pr.Gradient(shape, 0.7, axes)
    x, y = random(A.in_shape, dtype), random(A.out_shape, dtype, 1)
    assert_twins(A @ x, A @ simulated_device(x))
    assert_twins(A.T @ y, A.T @ simulated_device(y))
    E = pr.SymmetricGradient(shape, 0.7, axes)
    e = random(E.out_shape, dtype, 2)
    assert_twins(E @ y, E @ simulated_device(y))
    assert_twins(E.T @ e, E.T @ simulated_device(e))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize(("shape", "axes"), LATTICES)
def test_gradient_norms(shape, axes, isotropic, dtype, simulated_device):
    prior = pr.HuberTV(0.7, 0.4, isotropic=isotropic, axes=axes, spacing=0.7)
    x, out = random(shape, dtype), random(shape, dtype, 1)
    on_device = simulated_device(x), simulated_device(out)
    values, gradient = prior.values_and_gradient(x, None, out)
    gpu_values, gpu_gradient = prior.values_and_gradient(on_device[0], None, on_device[1])
    np.testing.assert_allclose(gpu_values, values, rtol=CLOSE[dtype])
    assert_twins(gradient, gpu_gradient)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize(("shape", "axes"), LATTICES)
def test_parabolas_above_variations(shape, axes, isotropic, dtype, simulated_device):
    prior = pr.HuberTV(0.7, 0.4, isotropic=isotropic, axes=axes, spacing=0.7)
    x, g, c = (random(shape, dtype, seed) for seed in range(3))
    on_device = [simulated_device(a) for a in (x, g, c)]
    prior.surrogate(x, None, np.ones(1), g, c)
    prior.surrogate(on_device[0], None, np.ones(1), *on_device[1:])
    assert_twins(g, on_device[1])
    assert_twins(c, on_device[2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_multiplicative_updates(shape, axis, prior, dtype, simulated_device):
    count = 1 if axis is None else shape[axis]
    active, alpha = np.arange(count) % 2 == 0, np.full(count, 0.7)

    def everything(device):
        arrays_of_x = (device(abs(random(shape, dtype, seed))) for seed in range(7))
        x, F, columns, last, before, g, c = arrays_of_x
        columns = columns[:1] if axis != 0 and len(shape) == 3 else columns
        surrogate = (g, c) if prior else None
        place = ((0.05, 2.0), axis, active)
        numbers = [
            *expectation.propose(x, F, columns, surrogate, *place, last),
            *expectation.extrapolate(x, F, alpha, *place, before),
            *expectation.multiply(x, last, columns, surrogate, *place),
        ]
        return [*numbers, arrays.to_host(x), arrays.to_host(before)]

    for cpu, gpu in zip(everything(np.copy), everything(simulated_device), strict=True):
        np.testing.assert_allclose(gpu, cpu, rtol=20 * CLOSE[dtype], atol=CLOSE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_projection_on_balls(dtype, simulated_device):
    q = random((2, 3, 5, 5), dtype)  # blocks of threads reach beyond it
    for prior in (pr.TotalVariation(0.7), pr.JointTotalVariation(0.7)):
        on_device = simulated_device(q)
        assert_twins(prior.conjugate_prox(q.copy(), 1), prior.conjugate_prox(on_device, 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize(("shape", "axes"), LATTICES)
def test_total_variation_prox(shape, axes, isotropic, dtype, simulated_device):
    """Four iterations and the look at their gap."""
    prior = pr.TotalVariation(
        0.3, axes=axes, spacing=0.7, isotropic=isotropic, tolerance=1e-3, iterations=4
    )
    x = random(shape, dtype)
    assert_twins(prior.prox(x.copy(), 1), prior.prox(simulated_device(x), 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isotropic", [True, False])
def test_duality_gap(isotropic, dtype, simulated_device):
    f, u, p = (random(s, dtype, i) for i, s in enumerate([(6, 4, 5), (6, 4, 5), (18, 4, 5)]))
    one = dtype(1)
    head = (one, 2 * one, one / 2), (3, 1, 1), (-one, one)
    tables = np.array([0.5, 2], dtype), np.array([True, False])
    cpu = np.zeros((18, 4, 1))
    duality_gap.gap(*head, *tables, isotropic, f, u, p, cpu)
    gpu = simulated_device(np.zeros((18, 4, 2), dtype))
    on_device = (simulated_device(a) for a in (f, u, p))
    duality_gap.gap(*head, *map(simulated_device, tables), isotropic, *on_device, gpu)
    sums = gpu.host.astype(np.float64).sum(2)
    np.testing.assert_allclose(sums, cpu.sum(2), atol=CLOSE[dtype] * np.abs(cpu).max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("planes", "depth"), [(3, 1), (6, 3)])
def test_generalised_variation(planes, depth, dtype, simulated_device):
    """One step of every unknown, the second problem standing still."""
    d = 2 + (depth > 1)
    scales = tuple(dtype(s) for s in (2 * (depth > 1), 1, 0.5))
    steps = tuple(dtype(s) for s in (0.3, 0.2, 0.9, 0.8, 1 / 1.3, 0.4))
    head = scales, (depth, 1, 1), steps
    bounds, radii = (dtype(-1), dtype(1)), np.full((2, planes // depth), 0.3, dtype)
    active = np.arange(planes // depth) != 1
    counts = {"f": 1, "p": d, "q": d * (d + 1) // 2, "u": 1, "w": d, "w_ahead": d, "u_ahead": 1}
    host = {k: random((c * planes, 4, 5), dtype, c) for k, c in counts.items()}
    device = {k: simulated_device(v) for k, v in host.items()}

    def advance(a, near):
        generalised_variation.primal(*head, bounds, near(active), *a.values())
        field = (a["u_ahead"], a["w_ahead"], a["q"], a["p"])
        generalised_variation.dual(*head, near(radii), near(active), *field)

    advance(host, lambda table: table)
    advance(device, simulated_device)
    for name in counts:
        assert_twins(host[name], device[name])


VARIANT_BLURS = [
    ((5, 6), (2, 3, 3, 4), "unknown"),
    ((2, 4, 5), (1, 2, 2, 3), "zero"),
    ((3, 4, 5), (2, 2, 2, 2, 3, 3), "zero"),
    ((3, 3, 4), (2, 1, 1, 3, 1, 2), "unknown"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "psfs", "boundary"), VARIANT_BLURS)
def test_variant_blur(shape, psfs, boundary, dtype, simulated_device):
    A = pr.PatchBlur(random(psfs, np.float64, 2), shape, boundary, method="direct")
    x, y = random(A.in_shape, dtype), random(A.out_shape, dtype, 1)
    assert_twins(A @ x, A @ simulated_device(x))
    assert_twins(A.T @ y, A.T @ simulated_device(y))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("back", [False, True])
def test_mixing_of_planes(back, dtype, simulated_device):
    def waves(*shape):
        return random((*shape, 2), dtype).view(np.result_type(dtype, np.complex64))[..., 0]

    cells, fractions = np.array([0, 0, 1, 1]), np.array([0, 0.3, 0, 1], dtype)
    tables = waves(3, 3, 2, 5), cells, fractions
    source = waves(6 if back else 4, 2, 5)
    cpu = np.empty((4 if back else 6, 2, 5), source.dtype)
    gpu = simulated_device(cpu)
    blur.mix(*tables, 2, back, source, cpu)
    blur.mix(*map(simulated_device, tables), 2, back, simulated_device(source), gpu)
    np.testing.assert_allclose(gpu.host, cpu, atol=CLOSE[dtype] * np.abs(cpu).max())


# Shapes of x and y, lengths of the PSF, shift.
CONVOLUTIONS = [
    ((3, 4, 5), (3, 4, 5), (3, 2, 4), (1, 1, 2)),
    ((4, 3, 6), (2, 5, 3), (3, 4, 2), (2, 0, 3)),
    ((5, 7), (4, 9), (2, 9), (1, 6)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("in_shape", "out_shape", "sides", "shift"), CONVOLUTIONS)
def test_convolution_in_space(in_shape, out_shape, sides, shift, dtype, simulated_device):
    terms = [tuple(random(k, np.float64, 2 * r + a) for a, k in enumerate(sides)) for r in (0, 1)]
    x, y = random(in_shape, dtype), random(out_shape, dtype, 1)
    for engine in (
        DirectConvolution(terms, in_shape, out_shape, shift),
        DenseConvolution(random(sides, np.float64), in_shape, out_shape, shift),
    ):
        for call, source, shape in (
            (engine.convolve, x, out_shape),
            (engine.correlate, y, in_shape),
        ):
            cpu, gpu = np.zeros(shape, dtype), simulated_device(np.zeros(shape, dtype))
            call(source, cpu)
            call(simulated_device(source), gpu)
            assert_twins(cpu, gpu)
