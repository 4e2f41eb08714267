"""Arithmetic of vector registers: numbers side by side, taken lane by lane as LLVM's vectors.

The code generator cuts a vector into the registers of the machine at hand, so the same code runs
everywhere.  A function that has no vector to tell the lanes by takes `rows`: an array of rows
(`_lanes`), or their number."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from physrecon.kernels._lanes import Vector


def lanes_of(rows: Any) -> int:
    """Lanes of the rows of an array, or a number that is known when a kernel is compiled."""
    if isinstance(rows, types.IntegerLiteral):
        return int(rows.literal_value)
    return int(rows.dtype.fields["slices"].type.shape[0])


def shuffled(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    """Elements of two vectors, counted through both, as LLVM's vector."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
    return builder.shuffle_vector(a, b, mask)


def joined(builder: Any, parts: list[Any]) -> Any:
    """Vectors of one type, a power of two of them, one after the other."""
    while len(parts) > 1:
        lanes = list(range(2 * parts[0].type.count))
        parts = [
            shuffled(builder, a, b, lanes) for a, b in zip(parts[::2], parts[1::2], strict=True)
        ]
    return parts[0]


def _splat(builder: Any, vector: Any, value: Any) -> Any:
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return shuffled(builder, first, undefined, [0] * vector.count)


@intrinsic
def alike(typingctx: Any, a: Any, value: Any) -> Any:
    """A number in all lanes of a vector like a."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0].type, args[1])

    return a(a, a.element), generate


def _operation(symbol: Callable[..., Any], whole: str, real: str = "") -> None:
    """Let `symbol` act on two vectors of one type, lane by lane, as the instruction of LLVM; a real
    number in the place of one of them stands for all its lanes."""

    @intrinsic
    def act(typingctx: Any, a: Any, b: Any) -> Any:
        name = whole if isinstance(a.element, types.Integer) else real

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return a(a, b), generate

    @overload(symbol, jit_options={"forceinline": True})
    def typed(a, b):  # type: ignore[no-untyped-def]
        if isinstance(a, Vector) and a == b:
            return lambda a, b: act(a, b)
        if isinstance(a, Vector) and isinstance(b, types.Float) and b <= a.element:
            return lambda a, b: act(a, alike(a, b))
        if isinstance(b, Vector) and isinstance(a, types.Float) and a <= b.element:
            return lambda a, b: act(alike(b, a), b)
        return None


_operation(operator.add, "add", "fadd")
_operation(operator.sub, "sub", "fsub")
_operation(operator.mul, "mul", "fmul")
_operation(operator.truediv, "sdiv", "fdiv")
_operation(operator.and_, "and_")


@intrinsic
def count(typingctx: Any, rows: Any) -> Any:
    """Lanes of the rows of `rows`: a constant."""
    lanes = lanes_of(rows)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, lanes)

    return types.intp(rows), generate


@intrinsic(prefer_literal=True)
def spread(typingctx: Any, rows: Any, value: Any) -> Any:
    """A number in all lanes of a vector like the rows of `rows`."""
    vector = Vector(types.unliteral(value), lanes_of(rows))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, context.get_value_type(vector), args[1])

    return vector(rows, value), generate


@intrinsic(prefer_literal=True)
def vector(typingctx: Any, rows: Any, numbers: Any, i: Any) -> Any:
    """The elements of a flat array from i on, as many as the rows of `rows` have."""
    taken = Vector(numbers.dtype, lanes_of(rows))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(numbers)(context, builder, args[1]).data
        kind = context.get_value_type(taken)
        pointer = builder.bitcast(builder.gep(data, [args[2]]), kind.as_pointer())
        return builder.load(pointer, align=context.get_abi_sizeof(kind.element))

    return taken(rows, numbers, types.intp), generate


@intrinsic
def element(typingctx: Any, rows: Any, i: Any, j: Any) -> Any:
    """Number j of row i."""
    nested = rows.dtype.fields["slices"].type

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(rows)(context, builder, args[0]).data
        number = context.get_value_type(nested.dtype).as_pointer()
        first = builder.bitcast(builder.gep(data, [args[1]]), number)
        return builder.load(builder.gep(first, [args[2]]))

    return nested.dtype(rows, types.intp, types.intp), generate


@intrinsic
def real(typingctx: Any, whole: Any) -> Any:
    """int32 lanes as float32."""
    numbers = Vector(types.float32, whole.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sitofp(args[0], context.get_value_type(numbers))

    return numbers(whole), generate


@intrinsic
def larger(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger one of two numbers, lane by lane."""
    whole = isinstance(a.element, types.Integer)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        above = (builder.icmp_signed if whole else builder.fcmp_ordered)(">", *args)
        return builder.select(above, *args)

    return a(a, b), generate


@intrinsic
def size(typingctx: Any, a: Any) -> Any:
    """|a|, of real numbers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return call(builder, f"llvm.fabs.{suffix(a)}", args[0].type, args)

    return a(a), generate


@intrinsic
def shifted(typingctx: Any, whole: Any, bits: Any) -> Any:
    """Lanes without their lowest bits; none is below 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(whole)
        return builder.lshr(args[0], _splat(builder, kind, builder.trunc(args[1], kind.element)))

    return whole(whole, types.intp), generate


@intrinsic
def lower(typingctx: Any, a: Any, b: Any) -> Any:
    """The smaller one of two whole numbers, lane by lane; one below 0 is larger than the others."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("<", *args), *args)

    return a(a, b), generate


@intrinsic
def where_above(typingctx: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where a > b, `no` in the others."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.icmp_signed(">", args[0], args[1]), args[2], args[3])

    return yes(a, b, yes, no), generate


@intrinsic
def where_negative(typingctx: Any, a: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where a < 0, `no` in the others."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        below = builder.icmp_signed("<", args[0], args[0].type(None))
        return builder.select(below, args[1], args[2])

    return yes(a, yes, no), generate


@intrinsic
def where_less(typingctx: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where a < b, `no` in the others; real numbers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return yes(a, b, yes, no), generate


@intrinsic
def where_equal(typingctx: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where a = b, `no` in the others; real numbers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("==", args[0], args[1]), args[2], args[3])

    return yes(a, b, yes, no), generate


@intrinsic
def smaller(typingctx: Any, a: Any, b: Any) -> Any:
    """The smaller one of two real numbers, lane by lane; b where one of them is NaN."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return a(a, b), generate


@intrinsic
def put(typingctx: Any, numbers: Any, i: Any, value: Any) -> Any:
    """The elements of a flat array from i on become those of a vector."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(numbers)(context, builder, args[0]).data
        pointer = builder.bitcast(builder.gep(data, [args[1]]), args[2].type.as_pointer())
        builder.store(args[2], pointer, align=numbers.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(numbers, types.intp, value), generate


@intrinsic
def floored(typingctx: Any, a: Any) -> Any:
    """The whole number below each lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return call(builder, f"llvm.floor.{suffix(a)}", args[0].type, args)

    return a(a), generate


@intrinsic
def root(typingctx: Any, a: Any) -> Any:
    """√a, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return call(builder, f"llvm.sqrt.{suffix(a)}", args[0].type, args)

    return a(a), generate


@intrinsic
def whole(typingctx: Any, a: Any) -> Any:
    """Real lanes as int32, cut off."""
    numbers = Vector(types.int32, a.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fptosi(args[0], context.get_value_type(numbers))

    return numbers(a), generate


@intrinsic
def rounded(typingctx: Any, numbers: Any, a: Any) -> Any:
    """Lanes of float64 in the type of an array's elements."""
    taken = Vector(numbers.dtype, a.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(taken)
        return args[1] if kind == args[1].type else builder.fptrunc(args[1], kind)

    return taken(numbers, a), generate


def suffix(vector: Any) -> str:
    """What the name of an instruction of LLVM says of a vector of real numbers."""
    return f"v{vector.count}f{vector.element.bitwidth}"


def call(builder: Any, name: str, result: Any, args: Any) -> Any:
    """The call of an instruction of LLVM by its name."""
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


@intrinsic
def fused(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return call(builder, f"llvm.fma.{suffix(a)}", args[0].type, args)

    return c(a, b, c), generate


@intrinsic
def turned(typingctx: Any, a: Any, near: Any, other: Any, near_odd: Any, other_even: Any) -> Any:
    """near · a + near_odd · (odd neighbour) in even lanes, other · a + other_even · (even
    neighbour) in odd ones: the product of complex numbers, or of their conjugates."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        numbers, lanes = args[0], args[0].type.count
        swapped = shuffled(builder, numbers, numbers, [lane ^ 1 for lane in range(lanes)])
        even = [lane % 2 * lanes for lane in range(lanes)]

        def pairs(first: Any, second: Any) -> Any:
            one, next_one = (_splat(builder, numbers.type, number) for number in (first, second))
            return shuffled(builder, one, next_one, even)

        name = f"llvm.fma.{suffix(a)}"
        product = builder.fmul(pairs(args[3], args[4]), swapped)
        return call(builder, name, numbers.type, (pairs(args[1], args[2]), numbers, product))

    number = a.element
    return a(a, number, number, number, number), generate
