"""Load tests and benchmarks: commands here, helpers in support/, figures of runs in results/."""
