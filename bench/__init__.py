"""Benchmarks: programs that print ratios, and suites that the ordinary test run keeps alive."""
