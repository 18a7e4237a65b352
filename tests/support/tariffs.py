"""Tariffs as a plain account has them, and hours of charging to price by them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from psycopg.types.json import Json

from tests.support.readings import Connection

HOUR = timedelta(hours=1)


class Band(NamedTuple):
    """A price on some weekdays (1: Monday), from one local hour until another."""

    price: Decimal
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    since: int = 0
    until: int = 24


class Tariff(NamedTuple):
    """What a kWh costs, from a local day until another, at a meter or at all."""

    bands: list[Band]
    zone: str = "Europe/Berlin"
    first_day: date = date(2000, 1, 1)
    last_day: date | None = None
    currency: str = "EUR"
    meter_id: str | None = None


class Price(NamedTuple):
    """What a kWh costs in an hour."""

    price: Decimal
    currency: str


class Part(NamedTuple):
    """What flowed in an hour of a meter, in milliwatt-hours."""

    hour: datetime
    ac_mwh: int
    standby_mwh: int = 0
    ac_matched_mwh: int = 0
    dc_matched_mwh: int = 0


def set_tariff(db: Connection, tariff: Tariff) -> int:
    """Set it; return its id."""
    prices = [
        {
            "price": band.price,
            "weekdays": list(band.weekdays),
            "from": f"{band.since:02}:00",
            "until": f"{band.until:02}:00",
        }
        for band in tariff.bands
    ]
    row = db.execute(
        "SELECT ops.set_tariff(currency => %s, zone => %s, first_day => %s, prices => %s::jsonb,"
        " why => 'a test', last_day => %s, meter_id => %s)",
        [
            tariff.currency,
            tariff.zone,
            tariff.first_day,
            Json(prices, dumps=_dumps),
            tariff.last_day,
            tariff.meter_id,
        ],
    ).fetchone()
    assert row is not None
    return row[0]


def _dumps(value: object) -> str:
    """As JSON, decimals with all their digits."""
    if isinstance(value, list):
        return f"[{', '.join(map(_dumps, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}": {_dumps(one)}' for name, one in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def price_of(tariffs: Iterable[Tariff], meter_id: str, hour: datetime) -> Price | None:
    """The price that holds in the hour: the meter's own first, of these the last one made."""
    found: tuple[bool, Price] | None = None
    for tariff in tariffs:
        local = hour.astimezone(ZoneInfo(tariff.zone))
        if tariff.meter_id not in (None, meter_id) or local.date() < tariff.first_day:
            continue
        if tariff.last_day is not None and local.date() > tariff.last_day:
            continue
        is_own = tariff.meter_id is not None
        if found is not None and found[0] and not is_own:
            continue
        (price,) = [
            band.price
            for band in tariff.bands
            if local.isoweekday() in band.weekdays and band.since <= local.hour < band.until
        ]
        found = is_own, Price(price, tariff.currency)
    return found and found[1]


def rounded(millionths: Fraction | Decimal | int, digits: int = 2) -> Decimal:
    """A cost in the currency's unit, halves away from zero."""
    scaled = Fraction(millionths) / 10**6 * 10**digits
    whole = Decimal(scaled.numerator) / Decimal(scaled.denominator)
    return whole.quantize(Decimal(1), ROUND_HALF_UP).scaleb(-digits)


def keep_session(
    db: Connection, parts: list[Part], meter_id: str = "M-1", vehicle_id: str = "V-1"
) -> None:
    """Keep hours, and the session that they make, without the readings behind them."""
    for part in parts:
        db.execute(
            "INSERT INTO telemetry.charging_part (meter_id, hour, since, until, vehicle_id,"
            " flow_since, flow_until, ac_mwh, standby_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh,"
            " active_us, matched_us) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
            " 3600000000, 3600000000)",
            [
                meter_id,
                part.hour,
                part.hour,
                part.hour + HOUR,
                vehicle_id,
                part.hour,
                part.hour + HOUR,
                part.ac_mwh,
                part.standby_mwh,
                part.ac_matched_mwh,
                part.dc_matched_mwh,
                part.dc_matched_mwh,
            ],
        )
    db.execute(
        "INSERT INTO telemetry.charging_session (meter_id, started_at, vehicle_id, ended_at,"
        " ac_mwh, standby_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, active_us, matched_us)"
        " SELECT p.meter_id, min(p.flow_since), p.vehicle_id, max(p.flow_until), sum(p.ac_mwh),"
        " sum(p.standby_mwh), sum(p.ac_matched_mwh), sum(p.dc_mwh), sum(p.dc_matched_mwh),"
        " sum(p.active_us), sum(p.matched_us)"
        " FROM telemetry.charging_part AS p"
        " WHERE p.meter_id = %s AND p.hour BETWEEN %s AND %s GROUP BY p.meter_id, p.vehicle_id",
        [meter_id, parts[0].hour, parts[-1].hour],
    )
