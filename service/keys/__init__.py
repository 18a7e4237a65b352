"""API keys: what a request's key may do, asked of the database and remembered for seconds."""
