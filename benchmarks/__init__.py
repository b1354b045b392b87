"""Benchmarks: each module has `table()`, which measures and gives rows; `python -m benchmarks [NAME…]` prints them.

Machines are noisy, so what counts is ratios within one run; absolute times are shown beside them.
"""
