"""Numba kernels: functions on arrays and scalars, one physical pair a file, on both machines."""
