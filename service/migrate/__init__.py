"""Migrations: a database is brought to the schema that this version of Wattledger needs."""

from service.migrate.errors import MigrationError
from service.migrate.runner import differences, migrate

__all__ = ["MigrationError", "differences", "migrate"]
