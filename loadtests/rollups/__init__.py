"""What the rollups bring and what they cost, on a history of any size."""
