"""The HTTP server: its processes, and what a connection may cost it."""
