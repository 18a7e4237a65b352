"""A private PostgreSQL with TimescaleDB, for laptops and tests."""

from service.embedded.cluster import Cluster, Status
from service.embedded.errors import EmbeddedError
from service.embedded.places import default_directory

__all__ = ["Cluster", "EmbeddedError", "Status", "default_directory"]
