"""Helpers of the load tests' commands."""
