"""Entries used most recently, up to a number: what was not used for longest is forgotten."""

from collections import OrderedDict
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(OrderedDict[Key, Value]):
    """A mapping that holds `most` entries; each step takes the same short time, however many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def used(self, key: Key) -> Value | None:
        """The value of a key, which is in use; None where there is none."""
        value = self.get(key)
        if value is not None:
            self.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Set the value of a key, which is in use."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)
