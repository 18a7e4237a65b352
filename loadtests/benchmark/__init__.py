"""Benchmark of the service beside what it replaces and what it could be doing."""
