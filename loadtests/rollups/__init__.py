"""Gain and cost of the rollups, on a history of any size."""
