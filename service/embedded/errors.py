"""The error of the embedded database."""


class EmbeddedError(Exception):
    """The embedded database cannot do what was asked; the message says what to do next."""
