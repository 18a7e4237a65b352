"""Contracts that both editions of TimescaleDB keep, tested on a real engine of each."""
