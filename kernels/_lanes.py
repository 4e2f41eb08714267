"""A row of slices held in vector registers.

A stack of slices is stored with the slices innermost.  Its element for the kernels is therefore
not a number but a *row*: `lanes(dtype, S)`, S numbers side by side, one per slice.  The functions
here read, write and accumulate such rows as one LLVM vector of S elements, which the code
generator cuts into the registers of the machine at hand (four of AVX-512 for 64 float32 slices).
A plain loop over the slices cannot keep its sums in registers while their terms come one by one.

Each slice sees the same fused multiply-adds in the same order whatever S is, so the result for a
slice does not depend on the width of the block that it travelled in, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

CACHE_LINE = 64  # bytes


def lanes(dtype: Any, slices: int) -> np.dtype:
    """The NumPy dtype of a row of `slices` numbers."""
    return np.dtype([("slices", dtype, (slices,))])


class Vector(types.Type):
    def __init__(self, element: Any, count: int) -> None:
        self.element, self.count = element, count
        super().__init__(name=f"vector({element} x {count})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Vector) -> None:
        element = manager.lookup(fe_type.element).get_value_type()
        super().__init__(manager, fe_type, ir.VectorType(element, fe_type.count))


def _vector_of(rows: Any) -> Vector:
    """The vector type of the elements of `rows`, a flat array of lanes."""
    nested = rows.dtype.fields["slices"].type
    return Vector(nested.dtype, nested.shape[0])


def _pointer(context: Any, builder: Any, rows_type: Any, rows: Any, i: Any) -> tuple[Any, int]:
    """Pointer to row i as a vector, and the alignment that one number guarantees."""
    array = context.make_array(rows_type)(context, builder, rows)
    vector = context.get_value_type(_vector_of(rows_type))
    base = builder.bitcast(array.data, vector.as_pointer())
    return builder.gep(base, [i]), context.get_abi_sizeof(vector.element)


@intrinsic
def load(typingctx: Any, rows: Any, i: Any) -> Any:
    """Row i."""
    vector = _vector_of(rows)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, align = _pointer(context, builder, rows, *args)
        return builder.load(pointer, align=align)

    return vector(rows, types.intp), generate


@intrinsic
def zero(typingctx: Any, rows: Any) -> Any:
    """A row of zeros like those of `rows`."""
    vector = _vector_of(rows)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(vector), None)

    return vector(rows), generate


@intrinsic
def store(typingctx: Any, rows: Any, i: Any, value: Any) -> Any:
    """Row i becomes `value`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, align = _pointer(context, builder, rows, args[0], args[1])
        builder.store(args[2], pointer, align=align)
        return context.get_dummy_value()

    return types.void(rows, types.intp, value), generate


@intrinsic
def prefetch(typingctx: Any, rows: Any, i: Any) -> Any:
    """Ask for row i to be brought near; i may lie outside of the array."""
    vector = _vector_of(rows)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, _ = _pointer(context, builder, rows, *args)
        byte, word = ir.IntType(8), ir.IntType(32)
        start = builder.bitcast(pointer, byte.as_pointer())
        hint = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), (byte.as_pointer(), word, word, word)),
            "llvm.prefetch.p0",
        )
        size = vector.count * context.get_abi_sizeof(context.get_value_type(vector.element))
        for line in range(0, size, CACHE_LINE):
            address = builder.gep(start, [ir.Constant(ir.IntType(64), line)])
            builder.call(hint, (address, word(0), word(3), word(1)))
        return context.get_dummy_value()

    return types.void(rows, types.intp), generate


@intrinsic
def add_row(typingctx: Any, total: Any, weight: Any, rows: Any, i: Any) -> Any:
    """total + weight · row i, fused."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total_value, weight_value, rows_value, index = args
        pointer, align = _pointer(context, builder, rows, rows_value, index)
        row = builder.load(pointer, align=align)
        vector = row.type
        first = builder.insert_element(
            ir.Constant(vector, ir.Undefined), weight_value, ir.Constant(ir.IntType(32), 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        weights = builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)
        letter = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
        fused = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, (vector, vector, vector)),
            f"llvm.fmuladd.v{vector.count}{letter}",
        )
        return builder.call(fused, (weights, row, total_value))

    return total(total, total.element, rows, types.intp), generate
