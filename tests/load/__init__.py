"""Load scenarios, small, against a real service."""
