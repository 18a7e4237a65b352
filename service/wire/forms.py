"""Forms of a reading: which fields go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Form(NamedTuple):
    """What goes together: an id, a field of energy, what else must be there, and what may."""

    id_field: str
    energy: str
    required: tuple[str, ...]
    optional: tuple[str, ...]

    def takes(self, field: str) -> bool:
        """Whether the field is one of the form's, beside the id."""
        return field == self.energy or field in self.required or field in self.optional


_METER = ("meterId", "kwhConsumedAc", "kwhTotalAc", "kwhSessionAc", ("voltage",))
_VEHICLE = ("vehicleId", "kwhDeliveredDc", "kwhTotalDc", "kwhSessionDc", ("soc", "batteryTemp"))


def _forms() -> Iterator[Form]:
    for id_field, difference, total, of_session, measured in (_METER, _VEHICLE):
        yield Form(id_field, difference, ("timestamp",), ("type", "from", "session", *measured))
        yield Form(id_field, total, ("timestamp",), ("type", "session", *measured))
        yield Form(id_field, of_session, ("session", "timestamp"), ("type", *measured))
    yield Form("id", "value1", ("type", "timestamp"), ("from", "session", "value2"))


# by the field that holds the energy, or the level of a counter
FORMS = {form.energy: form for form in _forms()}
# by the id's field: the type that does not go with it
OTHER_TYPE = {"meterId": "vehicle", "vehicleId": "meter"}
