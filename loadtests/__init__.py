"""Load scenarios and benchmarks; each starts its own database and service, and prints ratios."""
