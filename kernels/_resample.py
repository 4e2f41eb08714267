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

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from physrecon.kernels._lanes import Vector
from physrecon.kernels._registers import call, joined, lanes_of

BITS = 23  # of the fraction of a place: what float32 holds of a number below 2
ONE = 1 << BITS


# What kernels are compiled for: the machine at hand, or less where NUMBA_CPU_FEATURES says so.
config: Any = numba.config
_CHOSEN = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
FEATURES = {name[1:]: name[0] == "+" for name in _CHOSEN.split(",") if name}
FAST = FEATURES.get("avx2", False) and FEATURES.get("fma", False)
LANES = 16 if FEATURES.get("avx512f", False) else 8 if FAST else 0
"""float32 lanes of a register: with AVX-512, with AVX2, or none, and kernels of single numbers."""

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
    taken = Vector(numbers.dtype, lanes_of(rows))
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
            return joined(builder, pieces)

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
        return call(builder, QUARTERS, last.type, (last, index))
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
    return call(builder, name, numbers.type, (numbers, index))


def permuted(builder: Any, low: Any, index: Any, high: Any) -> Any:
    """AVX-512: any element of two registers in one instruction."""
    return call(builder, "llvm.x86.avx512.vpermi2var.ps.512", low.type, (low, index, high))


QUARTERS = "llvm.x86.avx.vpermilvar.ps.256"


def permuted_in_quarters(builder: Any, low: Any, index: Any, high: Any) -> Any:
    """AVX: one instruction for each register, and one that chooses."""
    near, far = (call(builder, QUARTERS, low.type, (part, index)) for part in (low, high))
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
    both, result = joined(builder, [low, high]), low
    for lane in range(lanes):
        i = builder.extract_element(index, word(lane))
        inside, second = builder.and_(i, word(length - 1)), builder.and_(i, word(length))
        ahead = builder.mul(second, word(lanes // length))
        at = builder.add(builder.add(inside, ahead), word(lane // length * length))
        value = builder.extract_element(both, at)
        result = builder.insert_element(result, value, word(lane))
    return result
