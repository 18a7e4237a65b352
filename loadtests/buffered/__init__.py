"""The buffered path through faults."""
