"""Error of an import: what the user has to change."""


class NotImportable(Exception):
    """A file cannot be imported as it was asked for; the message says what to do."""
