"""What readings that come hours late cost the refreshes, and what lowers it."""
