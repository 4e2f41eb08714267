"""Zingers in views: pixels that X- or gamma rays lit in the camera itself, in one view alone.

A value is a zinger if it is clearly brighter, by a quarter and 8 standard deviations of the noise,
than every neighbour: in the views before and after in angle, within the columns that a feature of
the object can move between them, and in its own view beside it.  It must be out of reach of the
object, too:

    T > 1.5 max(1, the brightest neighbour),  or
    log(T / ground) > F log(brightest neighbour / ground),

F = 3 times the columns that the object can move; the ground is the darkest value beside it.  A
crack along the beam, which shines in one view, shines in the views beside it, too: its line
integral falls to 1/F there, not less.  Edges, holes and fringes of the object are in all views, so
a neighbour is as bright.  Rows are independent."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

ZINGERS = ("auto", "none")
FAR = 8.0  # standard deviations
CLEAR = 1.25  # times the brightest neighbour; samples that shake give less
IMPOSSIBLE = 1.5  # times the open beam and the brightest neighbour: more than fringes give
ISOLATED = 3.0  # times the logarithm of the brightest neighbour, for a feature that stands still
TOO_BRIGHT = 2.0  # times the open beam, or nine tenths of the row
BESIDE = 3  # columns of the own view to either side
MOST_REACH = 32  # columns that a feature may move; of fewer views nothing is known
LEAST_NOISE = 1e-3  # standard deviation of T = 1; less is not known of noise-free data
SAMPLED = 48  # views that tell the noise
PASSES = 2  # the second sees what the zingers of the first hid

Places = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


def find_zingers(
    view: Callable[[int], NDArray],
    views: int,
    angles: ArrayLike | None = None,
    photon: ArrayLike = 0.0,
) -> Places:
    """The zingers of transmissions, as indices (views, rows, columns).

    view(v): transmission (rows, columns) of a view; NaN is left out.  angles (views,) in radians;
    None: in order over half a turn.  photon: transmission of one count, broadcastable to rows ×
    columns, for noise of few counts.  Holds a few views."""
    empty = np.empty(0, np.intp)
    if views < 3:
        return empty, empty, empty
    order, steps = _in_order(views, angles)
    noise = _noise(view, order, np.asarray(photon, np.float64))
    found: set[tuple[int, int, int]] = set()
    for _ in range(PASSES):
        more = _pass(view, order, steps, noise, found)
        if not more:
            break
        found |= more
    places = np.array(sorted(found), np.intp).reshape(-1, 3)
    return places[:, 0], places[:, 1], places[:, 2]


def _in_order(views: int, angles: ArrayLike | None) -> tuple[NDArray[np.intp], Array]:
    """Views in order of their angles, and the angles [rad] from each to the next."""
    if angles is None:
        return np.arange(views), np.full(views - 1, np.pi / views)
    turned = np.mod(np.asarray(angles, np.float64), 2 * np.pi)
    order = np.argsort(turned, kind="stable")
    return order, np.diff(turned[order])


def _noise(view: Callable[[int], NDArray], order: NDArray[np.intp], photon: Array) -> Array:
    """Variance of T at T = 1 in each row, (rows, 1) or (rows, columns): var T = a T for counts.

    From differences of views adjacent in angle; structure that moves makes it larger."""
    at = np.unique(np.linspace(1, len(order) - 2, min(SAMPLED, len(order) - 2)).astype(int))
    ratios = []
    for i in at:
        before, own, after = (view(order[i + k]).astype(np.float64) for k in (-1, 0, 1))
        middle = (before + after) / 2
        usual = _medians(middle)[:, np.newaxis]
        level = np.maximum(middle, 0.05 * np.maximum(usual, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios.append(np.abs(own - middle) / np.sqrt(1.5 * level))
    finite = np.stack(ratios)
    finite[~np.isfinite(finite)] = np.nan
    typical = _medians(np.moveaxis(finite, 1, 0).reshape(finite.shape[1], -1))
    level = (typical / 0.6745)[:, np.newaxis] ** 2
    return np.maximum(np.maximum(level, LEAST_NOISE**2), np.nan_to_num(photon))


def _medians(values: Array) -> Array:
    """The median of the finite values of each row, 0 where there is none."""
    rows = (row[np.isfinite(row)] for row in values)
    return np.array([np.median(row) if row.size else 0.0 for row in rows])


def _limit(level: Any, noise: Any) -> Any:
    """How far above `level` noise never reaches: Poisson counts, and their skewness."""
    return FAR * np.sqrt(noise * np.maximum(level, 0.05)) + FAR**2 / 4 * noise


def _pass(
    view: Callable[[int], NDArray],
    order: NDArray[np.intp],
    steps: Array,
    noise: Array,
    known: set[tuple[int, int, int]],
) -> set[tuple[int, int, int]]:
    """Zingers that are not known yet."""
    masked: dict[int, list[tuple[int, int]]] = {}
    for v, row, column in known:
        masked.setdefault(v, []).append((row, column))

    def clean(i: int) -> Any:
        image = np.array(view(order[i]), np.float32)
        image[~np.isfinite(image)] = np.nan
        if here := masked.get(int(order[i])):
            image[tuple(np.array(here).T)] = np.nan
        return image

    last = len(order) - 1
    found = set()
    kept: dict[int, Array] = {}
    for i in range(last + 1):
        beside = (i - 1, i + 1) if 0 < i < last else ((1, 2) if i == 0 else (last - 2, last - 1))
        kept = {k: kept[k] if k in kept else clean(k) for k in {i, *beside}}
        own, others = kept[i], [kept[k] for k in beside]
        reaches = [_reach(steps, i, k, own.shape[1]) for k in beside]
        if max(reaches) > MOST_REACH:
            continue
        level = np.fmax(*others)
        with np.errstate(invalid="ignore"):
            rows, columns = np.nonzero(own > level + _limit(level, noise))
        if len(rows):
            sure = _sure(own, others, reaches, np.broadcast_to(noise, own.shape), rows, columns)
            v = int(order[i])
            found |= {(v, int(r), int(c)) for r, c in zip(rows[sure], columns[sure], strict=True)}
    return found


def _reach(steps: Array, i: int, k: int, columns: int) -> int:
    """Columns that a feature at the edge of the detector moves between two views."""
    turned = float(steps[min(i, k) : max(i, k)].sum())
    return int(np.ceil(min(turned, np.pi) * columns / 2)) + 1


def _sure(
    own: Array,
    others: list[Array],
    reaches: list[int],
    noise: Array,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Which of the candidates no neighbour explains."""
    rest = own.copy()
    rest[rows, columns] = np.nan  # a zinger may light several pixels
    windows = [_window(rest, rows, columns, BESIDE)]
    windows += [_window(o, rows, columns, r) for o, r in zip(others, reaches, strict=True)]
    around = np.concatenate(windows, axis=1)
    # another zinger must not hide this one; fringes and wrong flats give less
    around[around > TOO_BRIGHT * np.fmax(1, _bright(own))[rows, np.newaxis]] = np.nan
    brightest = np.fmax.reduce(around, axis=1)
    value, one = own[rows, columns].astype(np.float64), noise[rows, columns]
    # the object beside the place, now and before and after
    beside = [o[rows, columns] for o in others] + [np.fmin.reduce(windows[0], axis=1)]
    ground = np.fmin.reduce(beside)
    least = np.maximum(one, 1e-6)  # a count, or the light that noise hides
    with np.errstate(invalid="ignore"):
        clear = value > CLEAR * np.maximum(brightest, 0) + _limit(brightest, one)
        impossible = value > IMPOSSIBLE * np.maximum(1, brightest)
        base = np.log(np.maximum(ground, least))
        share = np.log(np.maximum(brightest, least)) - base
        alone = (
            np.log(np.maximum(value, least)) - base > ISOLATED * max(max(reaches) - 1, 1) * share
        )
    # a run of many columns is no zinger
    wide = np.zeros(own.shape, bool)
    wide[rows, columns] = True
    return clear & (impossible | alone) & ~_long_runs(wide)[rows, columns]


def _bright(image: Array) -> Array:
    """The 90th percentile of each row, (rows,)."""
    place = 9 * (image.shape[1] - 1) // 10
    bright: Array = np.partition(np.nan_to_num(image), place, axis=1)[:, place]
    return bright


def _window(image: Array, rows: NDArray, columns: NDArray, reach: int) -> Array:
    """The values within `reach` columns of each place, (places, 2 reach + 1); NaN beyond."""
    at = columns[:, np.newaxis] + np.arange(-reach, reach + 1)
    inside = (at >= 0) & (at < image.shape[1])
    values = image[rows[:, np.newaxis], at.clip(0, image.shape[1] - 1)]
    return np.where(inside, values, np.nan)


def _long_runs(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels in runs of more than 2 · BESIDE columns."""
    long = np.zeros_like(mask)
    for row in np.flatnonzero(mask.any(axis=1)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask[row].view(np.int8), [0]])))
        for start, stop in list(pairwise(edges))[::2]:
            long[row, start:stop] = stop - start > 2 * BESIDE
    return long
