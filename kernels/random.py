"""Random numbers that belong to places: Philox 4×32-10, and normals and counts made from it.

A counter-based generator is a keyed hash: words = philox(counter, key).  The key is the seed, the
counter is made of the number of the element in the whole array, the attempt and the stream,

    counter = (element mod 2³², element / 2³², attempt, stream),

so an element gets the same numbers on any number of threads and in any part of the array, and all
machines get the same words.  Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as
1, 2, 3* (SC'11).

Words are held in uint64 with 32 bits in use: products are exact and nothing ever wraps.  `real` is
the float type of the result, float32 or float64: both round the same words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, exact, gpu, inlined, inner, shared

if TYPE_CHECKING:
    from numba import cuda

u8 = np.uint64

LOW, HALF = u8(0xFFFFFFFF), u8(32)
MULTIPLIERS = u8(0xD2511F53), u8(0xCD9E8D57)
STEPS = u8(0x9E3779B9), u8(0xBB67AE85)  # of the key: golden ratio and √3, less one
ROUNDS = 10

COUNTS, NORMALS = u8(0), u8(1)  # streams
FEW = 10  # mean below which arrivals are counted one by one; PTRS is for what lies above
RUN = 512  # elements that a thread takes at a time


@inlined
def philox(counter, seed):
    """The four words (each below 2³²) of a counter of four words and a seed, all uint64."""
    a, b, c, d = counter
    left, right = seed & LOW, seed >> HALF
    for _ in range(ROUNDS):
        p, q = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = (q >> HALF) ^ b ^ left, q & LOW, (p >> HALF) ^ d ^ right, p & LOW
        left, right = (left + STEPS[0]) & LOW, (right + STEPS[1]) & LOW
    return a, b, c, d


@inlined
def words_of(element, attempt, stream, seed):
    """The four words of an attempt at an element of the whole array."""
    index = u8(element)
    return philox((index & LOW, index >> HALF, u8(attempt), stream), seed)


@inlined
def uniform(word, real):
    """A word as a number in (0, 1): (word + ½) / 2³², rounded once and never up to 1.

    Converted by halves, of 16 bits each: those are what a vector unit turns into floats."""
    high, low = real(np.int32(word >> u8(16))), real(np.int32(word & u8(0xFFFF)))
    value = (high + (low + real(0.5)) * real(2**-16)) * real(2**-16)
    return min(value, real(1 - 2**-24))


# ------------------------------------------------------------------------------------ normal


@shared
def normal(word, real):
    """Standard normal number: Φ⁻¹ of the uniform number of a word, |z| < 6.4.

    One bit is the sign and 31 are the probability of the tail, so both tails are equally fine.
    Wichura, *Algorithm AS 241* (Appl. Statist. 37, 477, 1988), PPND7: relative error 1e-7."""
    tail = uniform(word >> u8(1), real)  # below ½ of what it is for all 32 bits
    q = real(0.5) - tail
    if q <= real(0.425):
        r = real(0.180625) - q * q
        top = ((real(59.109374720) * r + real(159.29113202)) * r + real(50.434271938)) * r
        low = ((real(67.187563600) * r + real(78.757757664)) * r + real(17.895169469)) * r
        z = q * (top + real(3.3871327179)) / (low + real(1))
    else:
        r = math.sqrt(-math.log(tail)) - real(1.6)  # below 5 − 1.6, where another fit begins
        top = ((real(0.17023821103) * r + real(1.3067284816)) * r + real(2.7568153900)) * r
        low = (real(0.12021132975) * r + real(0.73700164250)) * r
        z = (top + real(1.4234372777)) / (low + real(1))
    return z if word & u8(1) else -z


# ------------------------------------------------------------------------------------ counts


@shared
def stirling(k, real):
    """log Γ(k) − (k − ½) log k + k − ½ log 2π by the continued fraction of Stieltjes.

    Error: 1e-5 at k = 1, of which many_counts makes next to none, and below 1e-7 from k = 2 on."""
    tail = k + real(195 / 371) / (k + real(22999 / 22737) / (k + real(1.5174736)))
    return real(1 / 12) / (k + real(1 / 30) / (k + real(53 / 210) / tail))


@shared
def deviance(k, mean, difference, real):
    """k log(k/mean) + mean − k ≥ 0 without cancellation; difference is k − mean, known better.

    C. Loader, *Fast and accurate computation of binomial probabilities* (2000), eq. 5."""
    v = difference / (k + mean)
    if abs(v) > real(0.1):
        return k * math.log(k / mean) - difference
    s = v * v
    series = real(1 / 9) + s * (real(1 / 11) + s * (real(1 / 13) + s * real(1 / 15)))
    series = real(1 / 3) + s * (real(1 / 5) + s * (real(1 / 7) + s * series))
    return difference * v + real(2) * k * v * s * series


@shared
def few_counts(mean, words, element, seed, real):
    """Arrivals until the time `mean` of a process of rate one: products of uniform numbers."""
    limit, product = math.exp(-mean), real(1)
    count, attempt = 0, 0
    while True:
        for word in words:
            product *= uniform(word, real)
            if product <= limit:
                return real(count)
            count += 1
        attempt += 1
        words = words_of(element, attempt, COUNTS, seed)


@inlined
def proposal(mean, words, real):
    """(count, accepted at once, edge, v, a, b, distance from the mean) of an attempt of PTRS."""
    edge, v = uniform(words[0] >> u8(1), real), uniform(words[1], real)
    u = real(0.5) - edge if words[0] & u8(1) else edge - real(0.5)
    b = real(0.931) + real(2.53) * math.sqrt(mean)
    a = real(-0.059) + real(0.02483) * b
    whole = real(math.floor(mean))
    rest = mean - whole
    steps = real(math.floor((real(2) * a / edge + b) * u + rest + real(0.43)))
    sure = edge >= real(0.07) and v <= real(0.9277) - real(3.6224) / (b - real(2))
    return whole + steps, sure, edge, v, a, b, steps - rest


@shared
def many_counts(mean, words, element, seed, real):
    """W. Hörmann, *The transformed rejection method for generating Poisson random variables*
    (Insurance: Mathematics and Economics 12, 39, 1993), algorithm PTRS, for mean ≥ 10.

    Counts are held as their distance from the mean's integer part, and the logarithm of their
    probability is a sum of small terms: in float32 they are right for any mean."""
    attempt = 0
    while True:
        count, sure, edge, v, a, b, distance = proposal(mean, words, real)
        if sure:
            return count
        if count >= 0 and (edge >= real(0.013) or v <= edge):
            v *= (real(1.1239) + real(1.1328) / (b - real(3.4))) / (a / (edge * edge) + b)
            if count == 0:
                log_probability = -mean
            else:
                v *= math.sqrt(real(2 * math.pi) * count)
                log_probability = -stirling(count, real) - deviance(count, mean, distance, real)
            if math.log(v) <= log_probability:
                return count
        attempt += 1
        words = words_of(element, attempt, COUNTS, seed)


@shared
def counts(mean, words, element, seed, real):
    """Poisson counts of a mean ≥ 0, of type `real`; words: of attempt 0."""
    if mean < FEW:
        return few_counts(mean, words, element, seed, real)
    return many_counts(mean, words, element, seed, real)


# ------------------------------------------------------------------------------ kernels, CPU
# Runs are exact: an element gets the same bits in a vector and in the rest of a loop.


@exact
def _poisson_run(mean, seed, element, out):
    """Counts of neighbours, those that PTRS accepts at once in a loop of their own: a fast one."""
    real = out.dtype.type
    words, quick = np.empty((4, RUN), u8), np.empty(RUN, out.dtype)
    for k in range(RUN):
        drawn = words_of(element + k, 0, COUNTS, seed)
        words[0, k], words[1, k], words[2, k], words[3, k] = drawn
    for k in range(len(out)):
        drawn = words[0, k], words[1, k], words[2, k], words[3, k]
        count, sure = proposal(mean[k], drawn, real)[:2]
        quick[k] = count if sure and mean[k] >= FEW else real(-1)
    for k in range(len(out)):
        if quick[k] >= 0:
            out[k] = quick[k]
        else:
            drawn = words[0, k], words[1, k], words[2, k], words[3, k]
            out[k] = counts(mean[k], drawn, element + k, seed, real)


@exact
def _gaussian_run(mean, sigma, seed, element, out):
    real = out.dtype.type
    words = np.empty(RUN, u8)
    for k in range(RUN):
        words[k] = words_of(element + k, 0, NORMALS, seed)[0]
    for k in range(len(out)):
        out[k] = mean[k] + sigma[k] * normal(words[k], real)


@inner
def _run(unit, first, strides, shape):
    """(plane, row, columns, number of the first element) of a run."""
    runs = -(-shape[2] // RUN)
    line, start = unit // runs, unit % runs * RUN
    i, j = line // shape[1], line % shape[1]
    return i, j, slice(start, start + RUN), first + i * strides[0] + j * strides[1] + start


@cpu
def _poisson_cpu(mean, seed, first, strides, out):
    planes, rows, columns = out.shape
    for unit in prange(planes * rows * -(-columns // RUN)):
        i, j, run, element = _run(np.int64(unit), first, strides, out.shape)
        _poisson_run(mean[i, j, run], seed, element, out[i, j, run])


@cpu
def _gaussian_cpu(mean, sigma, seed, first, strides, out):
    planes, rows, columns = out.shape
    for unit in prange(planes * rows * -(-columns // RUN)):
        i, j, run, element = _run(np.int64(unit), first, strides, out.shape)
        _gaussian_run(mean[i, j, run], sigma[i, j, run], seed, element, out[i, j, run])


# ----------------------------------------------------------------------------- kernels, CUDA


@gpu
def _poisson_gpu(mean, seed, first, strides, out):
    k, j, i = cuda.grid(3)
    if i >= out.shape[0] or j >= out.shape[1] or k >= out.shape[2]:
        return
    element = first + i * strides[0] + j * strides[1] + k
    words = words_of(element, 0, COUNTS, seed)
    out[i, j, k] = counts(mean[i, j, k], words, element, seed, out.dtype.type)


@gpu
def _gaussian_gpu(mean, sigma, seed, first, strides, out):
    k, j, i = cuda.grid(3)
    if i >= out.shape[0] or j >= out.shape[1] or k >= out.shape[2]:
        return
    word = words_of(first + i * strides[0] + j * strides[1] + k, 0, NORMALS, seed)[0]
    out[i, j, k] = mean[i, j, k] + sigma[i, j, k] * normal(word, out.dtype.type)


poisson = Twin(_poisson_cpu, _poisson_gpu)
"""(mean, seed, first, strides, out): out ← Poisson counts of the mean ≥ 0; both (a, b, c), may be
one array · seed uint64 · the number of element (i, j, k) in the whole array is
first + strides[0] i + strides[1] j + k, int64."""

gaussian = Twin(_gaussian_cpu, _gaussian_gpu)
"""(mean, sigma, seed, first, strides, out): out ← mean + sigma z, z standard normal; otherwise as
`poisson`."""
