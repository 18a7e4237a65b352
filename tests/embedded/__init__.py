"""The embedded database, started for real."""
