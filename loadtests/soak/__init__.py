"""Everything at once on one database, and whether all that was acknowledged is counted."""
