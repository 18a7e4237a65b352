"""The error of a migration that cannot go on."""


class MigrationError(Exception):
    """The database cannot be migrated; the message says what to do about it."""
