"""Load scenarios for locust; `just load` runs them."""
