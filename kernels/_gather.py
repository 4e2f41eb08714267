"""Lanes of a vector that read and write where they like in an array.

Every lane has a place of its own, in int64, after the first one of all.  Lanes are read and written
one by one, two neighbours at once, which is faster than AVX2's instruction that gathers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from physrecon.kernels._lanes import Vector
from physrecon.kernels._registers import joined, shuffled

INDEX = ir.IntType(32)
STEADY = float(3 << 51)  # float64 has steps of 1 near to it, and counts them in its last bits


@intrinsic
def steady(typingctx: Any, a: Any) -> Any:
    """Whole numbers in float64 as int64; none is beyond 2⁵¹."""
    words = Vector(types.int64, a.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(words)
        near = ir.Constant(args[0].type, [STEADY] * a.count)
        bits = builder.bitcast(builder.fadd(args[0], near), kind)
        return builder.sub(bits, builder.bitcast(near, kind))

    return words(a), generate


@intrinsic
def wide(typingctx: Any, a: Any) -> Any:
    """int32 lanes as int64."""
    words = Vector(types.int64, a.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sext(args[0], context.get_value_type(words))

    return words(a), generate


def _pointers(context: Any, builder: Any, array: Any, data: Any, first: Any, places: Any) -> Any:
    """A pointer to number first + place of a flat array for every lane."""
    start = builder.gep(context.make_array(array)(context, builder, data).data, [first])
    return [
        builder.gep(start, [builder.extract_element(places, INDEX(lane))])
        for lane in range(places.type.count)
    ]


@intrinsic
def neighbours(typingctx: Any, numbers: Any, first: Any, places: Any) -> Any:
    """(number at first + place, the next one), for every lane."""
    taken = Vector(numbers.dtype, places.count)
    both = types.UniTuple(taken, 2)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_value_type(numbers.dtype)
        pair, align = ir.VectorType(element, 2), context.get_abi_sizeof(element)
        pointers = _pointers(context, builder, numbers, *args)
        pairs = [
            builder.load(builder.bitcast(place, pair.as_pointer()), align=align)
            for place in pointers
        ]
        # Quarters of four pairs each, so that even and odd numbers are parted within 128 bits.
        one = joined(builder, [pairs[m] for m in range(len(pairs)) if m & 2 == 0])
        two = joined(builder, [pairs[m] for m in range(len(pairs)) if m & 2])
        lanes = range(places.count)
        taken_from = [m // 4 * 4 + m % 2 * 2 + (m & 2) // 2 * places.count for m in lanes]
        found = [shuffled(builder, one, two, [m + i for m in taken_from]) for i in (0, 1)]
        return context.make_tuple(builder, both, found)

    return both(numbers, types.intp, places), generate


@intrinsic
def gathered(typingctx: Any, numbers: Any, first: Any, places: Any) -> Any:
    """The number at first + place, for every lane."""
    taken = Vector(numbers.dtype, places.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = ir.Constant(context.get_value_type(taken), ir.Undefined)
        for lane, place in enumerate(_pointers(context, builder, numbers, *args)):
            found = builder.insert_element(found, builder.load(place), INDEX(lane))
        return found

    return taken(numbers, types.intp, places), generate


@intrinsic
def add_neighbours(
    typingctx: Any, numbers: Any, first: Any, places: Any, near: Any, far: Any
) -> Any:
    """The number at first + place += near, and the next one += far, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element, lanes = context.get_value_type(numbers.dtype), places.count
        pair, align = ir.VectorType(element, 2), context.get_abi_sizeof(element)
        for lane, place in enumerate(_pointers(context, builder, numbers, *args[:3])):
            more = shuffled(builder, args[3], args[4], [lane, lane + lanes])
            there = builder.bitcast(place, pair.as_pointer())
            builder.store(builder.fadd(builder.load(there, align=align), more), there, align=align)
        return context.get_dummy_value()

    return types.void(numbers, types.intp, places, near, far), generate
