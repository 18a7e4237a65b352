"""How the service is reached, and how it reaches its database: TLS, poolers, proxies."""
