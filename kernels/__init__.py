"""Numba kernels: functions on arrays and scalars, one physical pair per file, both machines in it."""
