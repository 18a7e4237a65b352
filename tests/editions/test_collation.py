"""Ids compare by their bytes: another release of the system's C library must not reorder a key."""

from __future__ import annotations

from tests.support.readings import Connection

_IDS = """
SELECT c.oid::regclass::text || '.' || a.attname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace::regnamespace::text IN ('telemetry', 'bi')
    AND c.relkind IN ('r', 'v', 'p')
    AND a.attname IN (
        'meter_id', 'vehicle_id', 'device_id', 'key_id', 'fleet', 'device_pattern', 'rotated_from'
    )
    AND NOT a.attisdropped
    AND a.attcollation {comparison} 'pg_catalog."C"'::regcollation
"""


def test_ids_of_every_table_and_view_compare_by_their_bytes(db: Connection) -> None:
    assert db.execute(_IDS.format(comparison="=")).fetchall()
    assert not db.execute(_IDS.format(comparison="<>")).fetchall()


def test_indexes_of_ids_compare_by_their_bytes(db: Connection) -> None:
    others = db.execute(
        "SELECT i.indexrelid::regclass::text FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indrelid"
        " CROSS JOIN LATERAL unnest(i.indkey, i.indcollation) AS k (attnum, collation_oid)"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum"
        " WHERE a.attname IN ('meter_id', 'vehicle_id', 'key_id', 'fleet', 'device_pattern')"
        " AND k.collation_oid <> 'pg_catalog.\"C\"'::regcollation"
    ).fetchall()
    assert not others


def test_texts_that_are_indexed_beside_an_id_compare_as_it_does(db: Connection) -> None:
    # a function that is given both compares both by bytes, for which another index is of no use
    others = db.execute(
        "SELECT i.indexrelid::regclass::text, array_agg(DISTINCT k.collation_oid::regcollation)"
        " FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indrelid"
        " CROSS JOIN LATERAL unnest(i.indkey, i.indcollation) AS k (attnum, collation_oid)"
        " WHERE c.relnamespace::regnamespace::text = 'telemetry' AND k.collation_oid <> 0"
        " AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid"
        " AND a.attnum = ANY (i.indkey) AND a.attname = 'device_id')"
        " GROUP BY 1 HAVING count(DISTINCT k.collation_oid) > 1"
    ).fetchall()
    assert not others
