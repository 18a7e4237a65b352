"""Backlogs of registers and differences: what settling them takes, and what live readings feel."""
