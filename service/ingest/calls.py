"""Calls of the ingest functions, with the arrays that `columns` makes of rows as arguments."""

from typing import LiteralString

METERS: LiteralString = """api.ingest_meter_readings(
    meter_ids => %b::text[],
    read_at => %b::timestamptz[],
    kinds => %b::text[],
    energies_kwh => %b::float8[],
    interval_starts => %b::timestamptz[],
    session_ids => %b::text[],
    voltages_v => %b::float8[]
)"""
VEHICLES: LiteralString = """api.ingest_vehicle_readings(
    vehicle_ids => %b::text[],
    read_at => %b::timestamptz[],
    kinds => %b::text[],
    energies_kwh => %b::float8[],
    interval_starts => %b::timestamptz[],
    session_ids => %b::text[],
    socs_percent => %b::float8[],
    battery_temps_c => %b::float8[]
)"""
