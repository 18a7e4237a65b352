"""Cost of readings that come hours late, and what lowers it."""
