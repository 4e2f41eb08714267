"""Permutations of windows: each variant against the definition, and its instructions."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import binding, ir

from physrecon.kernels import _resample
from physrecon.kernels._jit import exact
from physrecon.kernels._lanes import lanes, store
from physrecon.kernels._registers import vector
from physrecon.kernels._resample import permute, pick, window, window_starts


@exact
def _picked(row, index, starts, parts, out):
    store(out, 0, pick(window(out, row, *starts, parts), vector(out, index, 0)))


@pytest.mark.parametrize("count", [8, 16])
@pytest.mark.parametrize("step", [0.5, 1.0, 1.3, 1.6, 2.5, 2.9, -1.0, -1.6, -2.9])
def test_lanes_pick_their_elements(count, step):
    row, parts = np.arange(100, 160, dtype=np.float32), (0, 1) if abs(step) < 5 / 3 else (0, 1, 2)
    index = (np.arange(count) * step - min((count - 1) * step, 0)).astype(np.int32)
    starts = window_starts(index)
    kept = index - np.repeat(starts, count // 2).astype(np.int32)
    out = np.zeros(count, np.float32)
    for n in (0, 1):
        _picked(row, kept + np.int32(n), starts, parts, out.view(lanes(out.dtype, count)))
        np.testing.assert_array_equal(out, row[index + n])


@exact
def _permuted(row, index, out):
    store(out, 0, permute(vector(out, row, 0), vector(out, index, 0)))


@pytest.mark.parametrize("count", [8, 16])
def test_a_register_is_permuted_by_the_lowest_bits(count):
    row = np.arange(count, dtype=np.float32)
    index = np.random.default_rng(0).permutation(count).astype(np.int32)
    out = np.zeros(count, np.float32)
    _permuted(row, index + np.int32(32 * 7), out.view(lanes(out.dtype, count)))
    np.testing.assert_array_equal(out, row[index])


def _one_register(builder, numbers, index, _):
    return _resample.permuted_register(builder, numbers, index)


@pytest.mark.parametrize(
    ("make", "lanes", "processor", "instruction"),
    [
        (_resample.permuted, 16, "skylake-avx512", "vperm"),
        (_resample.permuted, 16, "znver4", "vperm"),
        (_resample.permuted_in_quarters, 8, "haswell", "vpermilps"),
        (_one_register, 16, "skylake-avx512", "vperm"),
        (_one_register, 8, "haswell", "vperm"),
    ],
)
def test_a_window_is_permuted_by_the_instruction_of_the_processor(
    make, lanes, processor, instruction
):
    module = ir.Module()
    numbers, whole = (ir.VectorType(kind, lanes) for kind in (ir.FloatType(), ir.IntType(32)))
    function = ir.Function(module, ir.FunctionType(numbers, [numbers, whole, numbers]), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(make(builder, *function.args))
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple("x86_64-unknown-linux-gnu")
    machine = target.create_target_machine(cpu=processor)
    code = machine.emit_assembly(binding.parse_assembly(str(module)))
    assert instruction in code and "call" not in code
