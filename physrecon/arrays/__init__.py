"""Arrays on the host, on the GPU and on the disk; their slices; tuples of them.

`physrecon.arrays` has the functions for one array, `arrays.vectors` those for tuples of arrays."""

from physrecon.arrays.device import (
    CACHE_LINE,
    DEVICES,
    aligned_empty,
    all_finite,
    cupy,
    is_device,
    like,
    namespace,
    taken,
    to_device,
    to_host,
    zeros_like,
)
from physrecon.arrays.libraries import unusable_cpu, unusable_gpu
from physrecon.arrays.slices import combine, distances, dots, partial_sums, sliced, step, total
from physrecon.foreign import check_plain, floats, plain
