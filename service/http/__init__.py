"""HTTP: the server, its connections, and what any request passes before it is a route's."""
