"""The threads of the kernels: after a fork, and with several threads of Python.

Numba cuts a parallel loop into one piece for each of its threads, and its pool of threads runs the
pieces.

- A forked child has no pool: GNU OpenMP ends the child, others wait for ever.  So kernels call a
  function of ours in place of the pool's.  It calls the pool; but in a child of a process that has
  used the pool it runs the same pieces itself, one after the other, for the same numbers.
- The pool `workqueue` ends the process when two threads of Python use it at once.  So they take
  turns."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from llvmlite import binding, ir
from numba import get_num_threads
from numba.core.cgutils import for_range
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np.ufunc import parallel

LAUNCH = "numba_parallel_for"  # the symbol by which kernels call the pool

numba: Any = parallel  # names of Numba that are its own

_forked = ctypes.c_int32(0)
_free: AbstractContextManager[Any] = nullcontext()
_one_at_a_time = threading.RLock()
_library: Any = None  # the code of `_launcher`, which must stay in memory


def share(count: int, most: int) -> int:
    """How many of `count` things each thread takes at a time, nearly as many as the others and at
    most `most`.  Results must not depend on it."""
    each = -(-count // get_num_threads())
    return -(-each // -(-each // most)) if each else 1


def turn() -> AbstractContextManager[Any]:
    """The turn of a thread of Python to launch a kernel."""
    if not numba._is_initialized:  # which pool it is, is not known before
        numba._launch_threads()
    return _one_at_a_time if numba._threading_layer == "workqueue" else _free


def _start_threads() -> None:
    """Start Numba's pool, and put our function in its place."""
    global _library
    _numbas_start()
    if _library is None:
        with global_compiler_lock:  # no kernel is linked meanwhile
            _library = _launcher(binding.address_of_symbol(LAUNCH))
            binding.add_symbol(LAUNCH, _library.get_pointer_to_function("launch"))


def _launcher(pool: int) -> Any:
    """The library of `launch`, which takes the arguments of Numba's `parallel_for`:

    function, args, dimensions, steps, data, inner dimensions, number of args, threads

    Piece r gets every arg moved by r of its steps, and the dimensions with 1 in the first place."""
    long, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
    pointers, longs, none = pointer.as_pointer(), long.as_pointer(), ir.VoidType()
    piece_type = ir.FunctionType(none, [pointers, longs, longs, pointer])
    kinds = [piece_type.as_pointer(), pointers, longs, longs, pointer, long, long, ir.IntType(32)]
    launch_type = ir.FunctionType(none, kinds)
    library = cpu_target.target_context.codegen().create_library("physrecon.threads")
    module = library.create_ir_module("physrecon.threads")
    launch = ir.Function(module, launch_type, "launch")
    function, args, dimensions, steps, data, inner, count, _ = launch.args
    build = ir.IRBuilder(launch.append_basic_block())

    def at(address: int, kind: Any) -> Any:
        return build.inttoptr(ir.Constant(long, address), kind.as_pointer())

    def element(array: Any, index: Any) -> Any:
        return build.load(build.gep(array, [index]))

    forked = build.load(at(ctypes.addressof(_forked), ir.IntType(32)))
    with build.if_then(build.icmp_signed("==", forked, forked.type(0))):
        build.call(at(pool, launch_type), launch.args)
        build.ret_void()
    rank = build.add(inner, long(1))
    moved, lengths = build.alloca(pointer, count), build.alloca(long, rank)
    with for_range(build, build.load(dimensions)) as piece:
        with for_range(build, rank) as axis:
            length = element(dimensions, axis.index)
            build.store(length, build.gep(lengths, [axis.index]))
        build.store(long(1), lengths)
        with for_range(build, count) as arg:
            offset = build.mul(element(steps, arg.index), piece.index)
            start = build.gep(element(args, arg.index), [offset])
            build.store(start, build.gep(moved, [arg.index]))
        build.call(function, [moved, lengths, steps, data])
    build.ret_void()
    library.add_ir_module(module)
    library.finalize()
    return library


def _forget_threads() -> None:
    """In a forked child."""
    global _one_at_a_time
    _one_at_a_time = threading.RLock()  # perhaps held by a thread that is not here
    if numba._is_initialized:
        _forked.value = 1


if hasattr(os, "register_at_fork"):
    _numbas_start = numba._launch_threads
    numba._launch_threads = _start_threads
    os.register_at_fork(after_in_child=_forget_threads)
    if numba._is_initialized:
        _start_threads()
