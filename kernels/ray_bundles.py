"""Eight neighbours of a row of the detector, a ray in every lane: their courses among the voxels.

A bundle goes from plane to plane of the major axis of its rays.  Rays that have another major axis
rest meanwhile: they lie at place 0 of the other two, with length 0, and no plane is theirs."""

from __future__ import annotations

import numpy as np

from physrecon.kernels._jit import inlined, inner
from physrecon.kernels._registers import (
    floored,
    fused,
    larger,
    put,
    root,
    rounded,
    size,
    smaller,
    spread,
    vector,
    where_equal,
    where_less,
)
from physrecon.kernels.ray_courses import leans, ray, turned

LANES = 8
NEAR = 1e-6  # voxels; places of rays are rounded
TINY = 1e-300  # in the place of a lean of 0, by which nothing can be divided

# Where a bundle keeps less and fan of its columns, and the major axes of its rays,
LESS, FAN, MAJOR, SPARE, FACE = range(0, 40, 8)
# where those of one axis keep their places at plane 0, steps from plane to plane, first planes and
# those after the last,
AT_B, AT_C, LEAN_B, LEAN_C, FIRST, LAST, COURSE = range(0, 56, 8)
# and where the planes that one of them crosses, those where all of them lie between voxels, whether
# all go there from the source, and whether they stay in the only slice there is.
AXIS, BEGIN, END, ENTER, LEAVE, WHOLE, FLAT, PLANES = range(8)


@inlined
def alone(number):
    """A number in all lanes."""
    return spread(LANES, number)


@inlined
def _clamped(a, low, high):
    return larger(smaller(a, alone(high)), alone(low))


@inlined
def _least(a, faces):
    put(faces, SPARE, a)
    found = faces[SPARE]
    for m in range(SPARE + 1, SPARE + LANES):
        found = min(found, faces[m])
    return found


@inlined
def _most(a, faces):
    put(faces, SPARE, a)
    found = faces[SPARE]
    for m in range(SPARE + 1, SPARE + LANES):
        found = max(found, faces[m])
    return found


@inner
def face(view, fans, u, apart, count, row, detector, faces):
    """Keeps the columns from u on, the last of `count` in the place of those that lack, and the
    major axes of their rays.  Returns the least axis and the greatest."""
    for m in range(LANES):
        column = min(u + m * apart, count - 1)
        faces[LESS + m], faces[FAN + m] = fans[column, 0], fans[column, 1]
    _, _, _, z, y, x = ray(
        view, vector(LANES, faces, LESS), vector(LANES, faces, FAN), row, detector
    )
    x, y, z = size(x + alone(0.0)), size(y + alone(0.0)), size(z + alone(0.0))
    other = where_less(y, z, alone(0.0), alone(1.0))
    major = where_less(x, larger(y, z), other, alone(2.0))
    put(faces, MAJOR, major)
    return int(_least(major, faces)), int(_most(major, faces))


@inlined
def _between(at, lean, low, high):
    """Where rays enter what lies between two places, and where they leave it."""
    steep = where_equal(lean, alone(0.0), alone(TINY), lean)
    one, two = (alone(low) - at) / steep, (alone(high) - at) / steep
    return smaller(one, two), larger(one, two)


@inner
def lay(axis, view, row, detector, pitch, low, high, faces, n, courses, planes, lengths):
    """Course n of a bundle through the voxels low:high: of its rays whose major axis is `axis`.

    lengths: between two planes · planes: all but the inner ones, see `lay_inside`."""
    a0, b0, c0 = turned(axis, *low)
    a1, b1, c1 = turned(axis, *high)
    kept, major = courses[n], vector(LANES, faces, MAJOR)
    rays = ray(view, vector(LANES, faces, LESS), vector(LANES, faces, FAN), row, detector)
    a, b, c, lean_b, lean_c, squared, da = leans(axis, rays, pitch)
    none, own = alone(0.0), alone(float(axis))
    at_b, at_c = b - a * lean_b, c - a * lean_c
    at_b, at_c = where_equal(major, own, at_b, none), where_equal(major, own, at_c, none)
    lean_b, lean_c = where_equal(major, own, lean_b, none), where_equal(major, own, lean_c, none)
    put(lengths[n], 0, rounded(lengths, where_equal(major, own, root(squared), none)))
    first, last = alone(float(a0)), alone(float(a1))
    if not detector[3]:  # planes on the side of the source to which a ray goes
        source = a - da
        after, before = floored(source) + 1.0, none - floored(none - source)
        first = where_less(none, da, larger(after, first), first)
        last = where_less(da, none, smaller(before, last), last)
    first, last = where_equal(major, own, first, none), where_equal(major, own, last, none)
    put(kept, AT_B, at_b)
    put(kept, AT_C, at_c)
    put(kept, LEAN_B, lean_b)
    put(kept, LEAN_C, lean_c)
    put(kept, FIRST, first)
    put(kept, LAST, last)
    one, two = _between(at_b, lean_b, b0 - 1.0, float(b1))
    three, four = _between(at_c, lean_c, c0 - 1.0, float(c1))
    begin, end = larger(larger(one, three), first), smaller(smaller(two, four), last)
    begin, end = where_less(begin, end, begin, alone(float(a1))), where_less(begin, end, end, none)
    begin = max(np.floor(_least(begin, faces)), float(a0))
    end = max(min(np.ceil(_most(end, faces)) + 1.0, float(a1)), begin)
    slices = high[0] - low[0]
    strays = max(_most(size(at_b), faces), (a1 - a0) * _most(size(lean_b), faces))
    flat = axis > 0 and slices == 1 and strays < NEAR * NEAR
    there = planes[n]
    there[AXIS], there[BEGIN], there[END] = axis, begin, end
    early, late = (
        where_equal(major, own, first, alone(begin)),
        where_equal(major, own, last, alone(end)),
    )
    there[FLAT] = flat
    there[WHOLE] = _most(early, faces) <= begin and _least(late, faces) >= end


@inner
def lay_inside(axis, low, high, faces, course, planes):
    """Which planes of a course that `lay` has laid lie between voxels for all rays of a bundle."""
    _, b0, c0 = turned(axis, *low)
    _, b1, c1 = turned(axis, *high)
    first, last = vector(LANES, course, FIRST), vector(LANES, course, LAST)
    planes[ENTER] = planes[LEAVE] = planes[END]
    if (planes[FLAT] or b1 - b0 > 1) and c1 - c0 > 1:
        at, lean = vector(LANES, course, AT_C), vector(LANES, course, LEAN_C)
        three, four = _between(at, lean, c0 + NEAR, c1 - 1 - NEAR)
        one, two = three, four
        if not planes[FLAT]:
            at, lean = vector(LANES, course, AT_B), vector(LANES, course, LEAN_B)
            one, two = _between(at, lean, b0 + NEAR, b1 - 1 - NEAR)
        after = np.ceil(_most(larger(larger(one, three), first), faces))
        before = np.floor(_least(smaller(smaller(two, four), last - 1.0), faces)) + 1.0
        if after < before:
            planes[ENTER], planes[LEAVE] = after, before


@inlined
def inside(at, low, high, numbers):
    """(place of the near voxel, of the far one, their weights): 0 if not in low … high."""
    near = floored(at)
    rest = rounded(numbers, at - near)
    one, none = spread(LANES, numbers.dtype.type(1)), spread(LANES, numbers.dtype.type(0))
    first, second = _clamped(near, low, high), _clamped(near + 1.0, low, high)
    near_weight = where_equal(first, near, one - rest, none)
    return first, second, near_weight, where_equal(second, near + 1.0, rest, none)


@inlined
def place(plane, kept):
    """(b, c) of the rays on a plane."""
    p = alone(float(plane))
    b = fused(p, vector(LANES, kept, LEAN_B), vector(LANES, kept, AT_B))
    return b, fused(p, vector(LANES, kept, LEAN_C), vector(LANES, kept, AT_C))


@inlined
def present(plane, kept, numbers):
    """1 in the lanes that the plane is for, 0 in the others."""
    one, none = spread(LANES, numbers.dtype.type(1)), spread(LANES, numbers.dtype.type(0))
    p = alone(float(plane))
    early = where_less(p, vector(LANES, kept, FIRST), none, one)
    return where_less(p, vector(LANES, kept, LAST), early, none)


@inlined
def begin(top, course, numbers):
    """(whole parts of b and c on plane `top`, their rests, steps of b and c) of the rays; but for
    the first two in the type of `numbers`, in which planes are counted from there."""
    b, c = place(top, course)
    i, k = floored(b), floored(c)
    lean_b, lean_c = vector(LANES, course, LEAN_B), vector(LANES, course, LEAN_C)
    rests = rounded(numbers, b - i), rounded(numbers, c - k)
    return (i, k), rests, (rounded(numbers, lean_b), rounded(numbers, lean_c))
