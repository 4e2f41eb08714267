"""Rows resampled at an even step in vector registers: a window, and the neighbours of every lane.

Lane l of a register stands at start + l · step, in a row of numbers.  Nothing is gathered from
memory.

- Where the step is so near to 1 that lane l has its left neighbour at place l or l + 1 after the
  start, two loads, a number apart, hold all left neighbours, and each lane takes its own from one
  of them.  The right ones are the same, a number further on.
- Where the step is at most 1, one load holds all left neighbours, the next one all right ones, and
  one permutation of each brings them into their lanes.
- Else the two neighbours of every lane lie in a window of two registers that begins at the whole
  part of the start, as long as the step is at most 5/3, of three up to 3; one permutation of the
  window brings the left ones into their lanes, and one the right ones.

Places are whole multiples of 2⁻²³ of an element, the inverse of `ONE`.  Within two elements, they
and the weights that follow from them, ONE − fraction and fraction, are exact in int32 and in
float32.  So a sum is the same, bit for
bit, with registers of 16 lanes (AVX-512) and of 8 (AVX2), and in a loop over single numbers.

The vectors of a kernel have as many lanes as the rows of its output (`_lanes`), so that every
variant can be asked for on every machine."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, overload

from physrecon.kernels._lanes import Vector

BITS = 23  # of the fraction of a place: what float32 holds of a number below 2
ONE = 1 << BITS


# What kernels are compiled for: the machine at hand, or less where NUMBA_CPU_FEATURES says so.
config: Any = numba.config
_CHOSEN = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
FEATURES = {name[1:]: name[0] == "+" for name in _CHOSEN.split(",") if name}
FAST = FEATURES.get("avx2", False) and FEATURES.get("fma", False)
LANES = 16 if FEATURES.get("avx512f", False) else 8 if FAST else 0
"""float32 lanes of a register: with AVX-512, with AVX2, or none, and kernels of single numbers."""

# Arithmetic ---------------------------------------------------------------------------------------


def _operation(symbol: Callable[..., Any], whole: str, real: str = "") -> None:
    """Let `symbol` act on two vectors of one type, lane by lane, as the instruction of LLVM."""

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
        return None


_operation(operator.add, "add", "fadd")
_operation(operator.sub, "sub", "fsub")
_operation(operator.mul, "mul", "fmul")
_operation(operator.and_, "and_")


def _splat(builder: Any, vector: Any, value: Any) -> Any:
    word = ir.IntType(32)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, word(0))
    everywhere = ir.Constant(ir.VectorType(word, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, undefined, everywhere)


@intrinsic
def count(typingctx: Any, rows: Any) -> Any:
    """Lanes of the rows of `rows`: a constant."""
    lanes = rows.dtype.fields["slices"].type.shape[0]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, lanes)

    return types.intp(rows), generate


@intrinsic
def spread(typingctx: Any, rows: Any, value: Any) -> Any:
    """A number in all lanes of a vector like the rows of `rows`."""
    vector = Vector(value, rows.dtype.fields["slices"].type.shape[0])

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, context.get_value_type(vector), args[1])

    return vector(rows, value), generate


@intrinsic
def vector(typingctx: Any, rows: Any, numbers: Any, i: Any) -> Any:
    """The elements of a flat array from i on, as many as the rows of `rows` have."""
    taken = Vector(numbers.dtype, rows.dtype.fields["slices"].type.shape[0])

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
        return _call(builder, f"llvm.fabs.{_suffix(a)}", args[0].type, args)

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
        return _call(builder, f"llvm.floor.{_suffix(a)}", args[0].type, args)

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


def _suffix(vector: Any) -> str:
    return f"v{vector.count}f{vector.element.bitwidth}"


def _call(builder: Any, name: str, result: Any, args: Any) -> Any:
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


@intrinsic
def fused(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, f"llvm.fma.{_suffix(a)}", args[0].type, args)

    return c(a, b, c), generate


# Windows ------------------------------------------------------------------------------------------

# A register of 16 lanes is permuted as a whole.  One of 8 is two quarters of 4 lanes each that are
# permuted apart, twice as fast, so each quarter has a window of its own: `low` of both is the first
# register of the window, `high` of both the second.
WHOLE, QUARTER = 16, 4


def window_starts(index: Any) -> tuple[int, int]:
    """(start of the window of the first lanes, of the last ones), from the first element of every
    lane."""
    if len(index) == WHOLE:
        return int(min(index)), int(min(index))
    return int(min(index[:QUARTER])), int(min(index[QUARTER:]))


@intrinsic
def window(typingctx: Any, rows: Any, numbers: Any, first: Any, last: Any, parts: Any) -> Any:
    """The registers of a window of a flat array: as many as `parts`, a tuple of numbers, has.

    first, last: where the windows of the first and of the last lanes begin."""
    taken = Vector(numbers.dtype, rows.dtype.fields["slices"].type.shape[0])
    length = WHOLE if taken.count == WHOLE else QUARTER
    registers = types.UniTuple(taken, len(parts))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(numbers)(context, builder, args[1]).data
        kind = ir.VectorType(context.get_value_type(taken.element), length)
        align = context.get_abi_sizeof(kind.element)

        def register(part: int) -> Any:
            ahead, pieces = context.get_constant(types.intp, part * length), []
            for start in args[2:4][: taken.count // length]:
                at = builder.gep(data, [builder.add(start, ahead)])
                pieces.append(builder.load(builder.bitcast(at, kind.as_pointer()), align=align))
            return _joined(builder, *pieces) if len(pieces) > 1 else pieces[0]

        loaded = [register(part) for part in range(len(parts))]
        return context.make_tuple(builder, registers, loaded)

    return registers(rows, numbers, types.intp, types.intp, parts), generate


@intrinsic
def pick(typingctx: Any, registers: Any, index: Any) -> Any:
    """Element `index` of a window for every lane, counted from the start of its window."""
    lanes = registers.dtype.count

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low, *more = cgutils.unpack_tuple(builder, args[0])
        if lanes == WHOLE and FEATURES.get("avx512f", False):
            found = permuted(builder, low, args[1], more[0])
        elif lanes == 2 * QUARTER and FEATURES.get("avx", False):
            found = permuted_in_quarters(builder, low, args[1], more[0])
        else:
            found = _apart(builder, _looked_up, low, args[1], more[0])
        if len(more) == 1:
            return found
        last = pick_last(builder, lanes, args[1], more[1])
        length = ir.Constant(args[1].type, [2 * (WHOLE if lanes == WHOLE else QUARTER) - 1] * lanes)
        return builder.select(builder.icmp_signed(">", args[1], length), last, found)

    return registers.dtype(registers, index), generate


def pick_last(builder: Any, lanes: int, index: Any, last: Any) -> Any:
    """Elements of the third register of a window."""
    if lanes == WHOLE and FEATURES.get("avx512f", False):
        return permuted(builder, last, index, last)
    if lanes == 2 * QUARTER and FEATURES.get("avx", False):
        return _call(builder, QUARTERS, last.type, (last, index))
    return _apart(builder, _looked_up, last, index, last)


@intrinsic
def permute(typingctx: Any, numbers: Any, index: Any) -> Any:
    """The element of a register that the lowest bits of `index` name, for every lane."""
    feature = "avx512f" if numbers.count == WHOLE else "avx2"

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if FEATURES.get(feature, False):
            return permuted_register(builder, *args)
        return _apart(builder, _picked_one_by_one, *args)

    return numbers(numbers, index), generate


def permuted_register(builder: Any, numbers: Any, index: Any) -> Any:
    """AVX-512, AVX2: any element of a register in one instruction."""
    whole = numbers.type.count == WHOLE
    name = "llvm.x86.avx512.permvar.sf.512" if whole else "llvm.x86.avx2.permps"
    return _call(builder, name, numbers.type, (numbers, index))


def _joined(builder: Any, a: Any, b: Any) -> Any:
    word, lanes = ir.IntType(32), 2 * a.type.count
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(word, lanes), list(range(lanes))))


def permuted(builder: Any, low: Any, index: Any, high: Any) -> Any:
    """AVX-512: any element of two registers in one instruction."""
    return _call(builder, "llvm.x86.avx512.vpermi2var.ps.512", low.type, (low, index, high))


QUARTERS = "llvm.x86.avx.vpermilvar.ps.256"


def permuted_in_quarters(builder: Any, low: Any, index: Any, high: Any) -> Any:
    """AVX: one instruction for each register, and one that chooses."""
    near, far = (_call(builder, QUARTERS, low.type, (part, index)) for part in (low, high))
    top = builder.shl(index, ir.Constant(index.type, [29] * index.type.count))  # the sign is bit 2
    return builder.select(builder.icmp_signed("<", top, index.type(None)), far, near)


def _apart(builder: Any, body: Callable[..., Any], *args: Any) -> Any:
    """The call of a function that `body` writes: in the place of every call, its many instructions
    would take minutes to compile."""
    kind = ir.FunctionType(args[0].type, [arg.type for arg in args])
    name = f"{body.__name__}.{args[0].type.count}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    if function.is_declaration:
        function.linkage = "internal"
        function.attributes.add("noinline")
        inside = ir.IRBuilder(function.append_basic_block())
        inside.ret(body(inside, *function.args))
    return builder.call(function, args)


def _picked_one_by_one(builder: Any, numbers: Any, index: Any) -> Any:
    """Any processor, slowly: the element of a register that the lowest bits name, lane by lane."""
    result, word, lanes = numbers, ir.IntType(32), numbers.type.count
    for lane in range(lanes):
        i = builder.and_(builder.extract_element(index, word(lane)), word(lanes - 1))
        value = builder.extract_element(numbers, i)
        result = builder.insert_element(result, value, word(lane))
    return result


def _looked_up(builder: Any, low: Any, index: Any, high: Any) -> Any:
    """Any processor, slowly: any element of two registers, lane by lane."""
    word, lanes = ir.IntType(32), low.type.count
    length = WHOLE if lanes == WHOLE else QUARTER
    both, result = _joined(builder, low, high), low
    for lane in range(lanes):
        i = builder.extract_element(index, word(lane))
        inside, second = builder.and_(i, word(length - 1)), builder.and_(i, word(length))
        ahead = builder.mul(second, word(lanes // length))
        at = builder.add(builder.add(inside, ahead), word(lane // length * length))
        value = builder.extract_element(both, at)
        result = builder.insert_element(result, value, word(lane))
    return result
