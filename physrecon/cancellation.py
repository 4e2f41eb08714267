"""Stopping on request: a signal sets a flag, and computations look at it between their steps.

    SIGINT, SIGTERM → flag → `cancellation_point()` raises KeyboardInterrupt where it is called

A handler that raises would raise wherever Python happens to be: within a callback, where the
exception is printed and forgotten, or within a library that does not expect one.  So a handler only
sets the flag.  A second signal takes its default action, which the system has restored when it
delivered the first: it ends the process at once, within a C library too.  The program does not wait
longer than `GRACE` seconds for the end of a step, and not at all while it is only being loaded.

A block that is `postponed` ends by itself at a good moment, such as the end of an iteration, whose
state can be kept.  It is waited for `PATIENCE` seconds.

Only the command line installs handlers.  In a program of the user the flag is never set, and Ctrl-C
is Python's own KeyboardInterrupt."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 5.0  # seconds from a signal to the end of a step; batch systems allow 10 in all
PATIENCE = 60.0  # seconds from a signal to the end of an iteration whose state is being kept
STOPPED = 75  # exit code: the program can be run again, errors.Interrupted

_requested = False
_begun = False  # a point was reached: something may have been computed or written
_installed = False
_postponed = False  # within a block that asks `stop_requested` by itself


def cancellation_point() -> None:
    """Raise KeyboardInterrupt if a signal asked the program to stop, once for each request."""
    global _requested, _begun
    _begun = True
    if _requested and not _postponed:
        _requested = False
        raise KeyboardInterrupt


def stop_requested() -> bool:
    """Whether the next point will raise, or would if it were not postponed."""
    return _requested


@contextmanager
def postponed() -> Iterator[None]:
    """Let no point raise within the block, which ends soon after a request; the next point does."""
    global _postponed
    before, _postponed = _postponed, True
    try:
        yield
    finally:
        _postponed = before


@contextmanager
def cancel_on_signals(at_end: bool = False) -> Iterator[None]:
    """Let signals set the flag within the block; signals that are ignored stay ignored.

    at_end: the program ends after the block; a step that takes too long is given up, and a signal
    that comes still later is ignored.  Does nothing in a thread, or within a block of its kind."""
    global _requested, _begun, _installed
    if _installed or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    caught = [number for number in SIGNALS if before[number] not in (signal.SIG_IGN, None)]
    _requested, _begun, _installed = False, False, True
    for number in caught:
        signal.signal(number, _request)
    try:
        with _watched() if at_end else nullcontext():
            for number in caught:
                _restore_when_delivered(number)
            yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_IGN if at_end else before[number])
        _requested = _installed = False


def _request(number: int, frame: Any) -> None:
    """The handler: from now on a signal of any kind ends the process."""
    global _requested
    _requested = True
    for each in SIGNALS:
        if signal.getsignal(each) is _request:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def _watched() -> Iterator[None]:
    """End the process if the block has not ended `GRACE` seconds after a signal.

    Python calls handlers when its main thread comes to a next step; the thread that watches is
    woken by the signal itself."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ended = threading.Event()

    def watch() -> None:
        signalled = os.read(reader, 1)
        if signalled and not _in_time(ended):
            where = "within a step" if _begun else "before it began"
            text = f"error: stopped {where}; what is finished is kept; run the same command again\n"
            os.write(2, text.encode())
            os._exit(STOPPED)
        os.close(reader)

    other = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=watch, name="physrecon-signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(other)
        ended.set()
        os.close(writer)


def _in_time(ended: threading.Event) -> bool:
    """Wait for the end of the block after a signal; whether it came."""
    if ended.wait(GRACE if _begun else 0):
        return True
    if not _postponed:
        return False
    os.write(2, b"stopping after this iteration, to keep its state; a second signal stops now\n")
    return ended.wait(PATIENCE - GRACE)


def _restore_when_delivered(number: int) -> None:
    """Let the system restore the default action as it delivers the signal.

    Python restores it in its handler, which must wait while a C library is at work."""
    import ctypes

    try:
        system_v: Any = ctypes.CDLL(None).sysv_signal
    except (AttributeError, OSError, TypeError):  # not on this system
        return
    system_v.argtypes, system_v.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    pythons = system_v(number, None)
    system_v(number, pythons)
