"""Load scenarios of the old system for locust; `just load` runs them."""
