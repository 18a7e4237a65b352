"""Sizing: what a fleet takes of cores, disk, WAL and connections; `just measure sizing` runs it."""
