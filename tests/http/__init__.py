"""The HTTP server: bounds of a connection, and the lane of the usual request."""
