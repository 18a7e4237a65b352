"""The old system's load scenarios for locust; `python -m loadtests.load` runs them."""
