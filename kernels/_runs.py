"""A run: neighbouring elements of an array, held in vector registers.

Unlike a row of lanes (`_lanes`) it may begin at any element, as the windows of a convolution do.
Arrays are taken as flat, whatever their rank, and must be contiguous.  A run is as long as two of
them, being summed at the same time, leave registers free for what is added to them."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from physrecon.kernels._lanes import CACHE_LINE, Vector

_WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
BYTES = 512 if _WIDE else 128  # of a run: a quarter of all vector registers


def _run_of(array: Any) -> Vector:
    return Vector(array.dtype, 8 * BYTES // array.dtype.bitwidth)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, i: Any) -> tuple[Any, int]:
    """Pointer to the run that begins at element i, and the alignment that an element has."""
    data = context.make_array(array_type)(context, builder, array).data
    vector = context.get_value_type(_run_of(array_type))
    pointer = builder.bitcast(builder.gep(data, [i]), vector.as_pointer())
    return pointer, context.get_abi_sizeof(vector.element)


@intrinsic
def length(typingctx: Any, array: Any) -> Any:
    """Elements of a run of this array: a constant."""
    count = _run_of(array).count

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, count)

    return types.intp(array), generate


@intrinsic
def past_line(typingctx: Any, array: Any) -> Any:
    """Bytes by which the array begins past the beginning of a cache line."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        address = builder.ptrtoint(data, context.get_value_type(types.intp))
        return builder.and_(address, context.get_constant(types.intp, CACHE_LINE - 1))

    return types.intp(array), generate


@intrinsic
def zero(typingctx: Any, array: Any) -> Any:
    """A run of zeros."""
    run = _run_of(array)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(run), None)

    return run(array), generate


@intrinsic
def load(typingctx: Any, array: Any, i: Any) -> Any:
    """The run that begins at element i."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, align = _pointer(context, builder, array, *args)
        return builder.load(pointer, align=align)

    return _run_of(array)(array, types.intp), generate


@intrinsic
def store(typingctx: Any, array: Any, i: Any, run: Any) -> Any:
    """The elements from i on become `run`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, align = _pointer(context, builder, array, args[0], args[1])
        builder.store(args[2], pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, run), generate


@intrinsic
def add_run(typingctx: Any, total: Any, weight: Any, array: Any, i: Any) -> Any:
    """total + weight · the run that begins at element i, fused."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total_value, weight_value, array_value, index = args
        pointer, align = _pointer(context, builder, array, array_value, index)
        run = builder.load(pointer, align=align)
        vector, word = run.type, ir.IntType(32)
        undefined = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(undefined, weight_value, word(0))
        everywhere = ir.Constant(ir.VectorType(word, vector.count), [0] * vector.count)
        weights = builder.shuffle_vector(first, undefined, everywhere)
        letter = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
        fused = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, (vector, vector, vector)),
            f"llvm.fmuladd.v{vector.count}{letter}",
        )
        return builder.call(fused, (weights, run, total_value))

    return total(total, total.element, array, types.intp), generate
