"""Metrics: what a worker counts and how large things are, in plain integers that all can read.

- families: what is counted, and by which labels
- slab: the integers of one worker, at places that the families fix
- board: the slabs of all workers of a service, and what one of them has found out for all
- exposition: all of it as text, as Prometheus reads it
"""
