"""The functions of api as a service relies on them: listed, and compared with earlier ones."""

from __future__ import annotations

from typing import Any

from tests.support.readings import Connection

# what a function takes and returns, by its name
Listing = dict[str, dict[str, Any]]

_FUNCTIONS = """
    SELECT p.proname, p.pronargs - p.pronargdefaults,
        CASE WHEN p.proretset THEN 'set of ' ELSE '' END || format_type(p.prorettype, NULL),
        ARRAY(
            SELECT format('%s %s', a.name, format_type(a.type, NULL))
            FROM unnest(
                p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]),
                coalesce(p.proargmodes, array_fill('i'::"char", ARRAY[p.pronargs]))
            ) WITH ORDINALITY AS a (name, type, mode, position)
            WHERE a.mode = ANY (m.modes)
            ORDER BY a.position
        )
    FROM pg_proc AS p
    CROSS JOIN (VALUES (1, '{i,b,v}'::"char"[]), (2, '{o,b,t}'::"char"[])) AS m (part, modes)
    WHERE p.pronamespace = 'api'::regnamespace
    ORDER BY p.proname, p.oid, m.part
"""


def listing(db: Connection) -> Listing:
    """What each function of api takes and returns in this database."""
    found: Listing = {}
    rows = db.execute(_FUNCTIONS).fetchall()
    for (name, needed, result, takes), (*_, columns) in zip(rows[::2], rows[1::2], strict=True):
        assert name not in found, f"api.{name} is there twice: a call would be ambiguous"
        found[name] = {
            "takes": takes[:needed],
            "may take": takes[needed:],
            # a row of named columns, or a single value
            "returns": columns or result,
        }
    return found


def broken(then: Listing, now: Listing) -> list[str]:
    """The functions on which a service of the first listing would fail in a database of the second.

    It names every argument, and reads all columns of a row by their names: one more would fail.
    """
    return [name for name, told in then.items() if not _is_kept(told, now.get(name))]


def _is_kept(then: dict[str, Any], now: dict[str, Any] | None) -> bool:
    if now is None or now["returns"] != then["returns"]:
        return False
    known = {*then["takes"], *then["may take"]}
    given = set(then["takes"])
    return known <= {*now["takes"], *now["may take"]} and set(now["takes"]) <= given
