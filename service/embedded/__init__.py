"""A private PostgreSQL with TimescaleDB, for laptops and tests."""

from service.embedded.cluster import Cluster, Status
from service.embedded.errors import EmbeddedError
from service.embedded.places import default_directory
from service.embedded.standby import Standby, StandbyStatus, start_both, stop_both

__all__ = [
    "Cluster",
    "EmbeddedError",
    "Standby",
    "StandbyStatus",
    "Status",
    "default_directory",
    "start_both",
    "stop_both",
]
