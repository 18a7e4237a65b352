"""Calls of the ingest functions, with the arrays that `columns` makes of rows as arguments.

Each returns, of the readings that were not new: is_vehicle, reading_index, outcome, detail.
"""

from typing import LiteralString

METERS: LiteralString = """
SELECT false AS is_vehicle, m.reading_index, m.outcome, m.detail
FROM api.ingest_meter_readings(
    meter_ids => %b::text[],
    read_at => %b::timestamptz[],
    kinds => %b::text[],
    energies_kwh => %b::float8[],
    interval_starts => %b::timestamptz[],
    session_ids => %b::text[],
    voltages_v => %b::float8[]
) AS m
"""
VEHICLES: LiteralString = """
SELECT true AS is_vehicle, v.reading_index, v.outcome, v.detail
FROM api.ingest_vehicle_readings(
    vehicle_ids => %b::text[],
    read_at => %b::timestamptz[],
    kinds => %b::text[],
    energies_kwh => %b::float8[],
    interval_starts => %b::timestamptz[],
    session_ids => %b::text[],
    socs_percent => %b::float8[],
    battery_temps_c => %b::float8[]
) AS v
"""
