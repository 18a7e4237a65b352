"""Columns of a table: which of them is which field of a reading."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from service.importing.errors import NotImportable
from service.wire.readings import WireReading

# whom a session's meter fed: no field of a reading, but what a charging link is made of
VEHICLE = "vehicle"
FIELDS = (*(field.encode_name for field in msgspec.structs.fields(WireReading)), VEHICLE)
TIMES = frozenset({"timestamp", "from"})
TEXTS = frozenset({"type", "meterId", "vehicleId", "id", "session", VEHICLE})
ENERGIES = tuple(name for name in FIELDS if name.startswith("kwh") or name == "value1")

# names that exports of sessions have, in lower case without spaces and signs: the better one first
_OTHER_NAMES = {
    "meterId": (
        *("meter", "evseid", "evse", "chargerid", "charger", "chargepointid", "chargepoint"),
        *("stationid", "chargingstationid", "chargeboxid", "station", "chargingstation"),
        *("stationname", "chargername"),
    ),
    "timestamp": (
        *("time", "datetime", "readat", "end", "endtime", "enddate", "enddatetime", "endedat"),
        *("ended", "endtimestamp", "stop", "stoptime", "stoptimestamp", "to", "until"),
        *("transactionenddate", "disconnecttime"),
    ),
    "from": (
        *("since", "start", "starttime", "startdate", "startdatetime", "startedat", "started"),
        *("starttimestamp", "begin", "transactionstartdate", "connectiontime"),
    ),
    "kwhConsumedAc": (
        *("energy", "energykwh", "energywh", "kwh", "wh", "energydelivered", "energydeliveredkwh"),
        *("kwhdelivered", "energyconsumed", "energyconsumedkwh", "consumption", "consumptionkwh"),
        *("totalenergy", "totalenergykwh", "totalkwh", "chargedenergy", "chargedenergykwh"),
    ),
    "session": (
        *("sessionid", "transactionid", "transaction", "chargingsessionid", "cdrid"),
        *("sessionno", "sessionuuid", "chargeid"),
    ),
    "soc": ("stateofcharge", "socpercent"),
    "batteryTemp": ("batterytemperature",),
    VEHICLE: (
        *("car", "vin", "card", "cardid", "rfid", "rfidtag", "idtag", "tagid", "token"),
        *("authid", "uid", "contractid"),
    ),
}
_NOISE = re.compile(r"[\W_]+")


def found(header: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    """The place of the column of each field that the header has, `given` by name before others.

    Raises NotImportable where a column that was given is not there, or what a reading needs.
    """
    places = {
        _given_field(ours): _given_place(header, ours, theirs) for ours, theirs in given.items()
    }
    keys = [_key(name) for name in header]
    taken = set(places.values())
    for place, key in enumerate(keys):
        field = _WIRE.get(key)
        if field is not None and field not in places and place not in taken:
            places[field] = place
            taken.add(place)
    for field, names in _OTHER_NAMES.items():
        if field == VEHICLE:
            _link_rather(places)
        place = next((keys.index(name) for name in names if name in keys), None)
        if place is not None and place not in taken and _is_open(field, places):
            places[field] = place
            taken.add(place)
    _check(places, header)
    return places


def unit_of(name: str) -> str | None:
    """The unit that the name of a column tells, Wh or kWh; None where it tells none."""
    key = _key(name)
    if key.endswith("kwh"):
        return "kWh"
    return "Wh" if key.endswith("wh") and not key.endswith(("mwh", "gwh")) else None


def named(header: Sequence[str]) -> str:
    """The columns that there are, for messages."""
    return ", ".join(f'"{name}"' for name in header)


def _key(name: str) -> str:
    return _NOISE.sub("", name).casefold()


_WIRE = {_key(name): name for name in FIELDS}


def _given_field(ours: str) -> str:
    field = _WIRE.get(_key(ours))
    if field is None:
        raise NotImportable(f'--map: "{ours}" is none of {", ".join(FIELDS)}')
    return field


def _given_place(header: Sequence[str], ours: str, theirs: str) -> int:
    if theirs in header:
        return header.index(theirs)
    raise NotImportable(f'--map {ours}: there is no column "{theirs}". Columns: {named(header)}')


def _is_open(field: str, places: Mapping[str, int]) -> bool:
    """Whether a column of another name may be that field."""
    if field in places:
        return False
    if field == "meterId":
        return "id" not in places and ("vehicleId" not in places or _is_summary(places))
    # one that says what its energy is needs no guess
    return field not in ENERGIES or not any(name in places for name in ENERGIES)


def _is_summary(places: Mapping[str, int]) -> bool:
    """Whether no column is of a vehicle's own energy, so that its id is that of who was charged."""
    return not any(name.endswith("Dc") for name in places)


def _link_rather(places: dict[str, int]) -> None:
    """Take a vehicle's id beside a meter's energy for that of who was charged."""
    if "vehicleId" in places and "meterId" in places and _is_summary(places):
        places.setdefault(VEHICLE, places.pop("vehicleId"))


def _check(places: Mapping[str, int], header: Sequence[str]) -> None:
    missing: list[str] = []
    if not any(name in places for name in ("meterId", "vehicleId", "id")):
        missing.append("whose energy it is (meterId or vehicleId)")
    if not any(name in places for name in ENERGIES):
        missing.append(f"the energy ({', '.join(ENERGIES)})")
    if "timestamp" not in places:
        missing.append("the time, of an interval its end (timestamp)")
    if missing:
        raise NotImportable(
            f"no column is {', nor '.join(missing)}: say it by --map FIELD=COLUMN."
            f" Columns: {named(header)}"
        )
