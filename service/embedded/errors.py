"""The errors of the embedded database."""


class EmbeddedError(Exception):
    """The embedded database cannot do what was asked; the message says what to do next."""


class NotRunning(EmbeddedError):
    """The embedded database was to run, and does not."""
