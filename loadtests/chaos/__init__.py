"""Faults, caused for real, in an installation under load, and whether anything was lost."""
