"""Fast lane: the usual request to ingest readings, answered below ASGI.

It is there for speed alone: without it every answer is the same, and a request costs more. To take
it out,

1. delete this folder, tests/http/test_lane.py and tests/traces/test_lane.py;
2. let PROTOCOL in service/cli/serve.py be service.http.connection.Connection;
3. delete the rule "the fast lane can be taken out" from pyproject.toml and from
   tests/packaging/test_imports.py.

Nothing else knows of it.
"""
