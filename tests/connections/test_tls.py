"""TLS to a database on another machine, unless told otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import conninfo

from service.cli import main
from service.database.conninfo import completed
from service.embedded import Cluster, places
from service.migrate import MigrationError, differences
from tests.connections.conftest import migrated
from tests.support.process import serving


@pytest.fixture(autouse=True)
def _no_settings_of_this_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "pg_service.conf"))
    (tmp_path / "pg_service.conf").write_text(
        "# ours\n[remote]\nhost=db.example\n\n[plain]\nhost=db.example\nsslmode=disable\n"
        "[local]\nhost=localhost\n"
    )


def sslmode(text: str) -> str | None:
    mode = conninfo.conninfo_to_dict(completed(text)).get("sslmode")
    return None if mode is None else str(mode)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://someone@db.example/ledger",
        "postgresql://someone@10.1.2.3:5432/ledger",
        "postgresql://someone@[2001:db8::1]/ledger",
        "host=db.example dbname=ledger",
        "host=localhost,db.example",
        "host=db.example hostaddr=10.1.2.3",
        "host=localhost hostaddr=10.1.2.3",
        "service=remote",
    ],
)
def test_a_host_elsewhere_is_reached_by_tls(text: str) -> None:
    assert sslmode(text) == "require"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postgresql:///ledger",
        "postgresql://someone@localhost/ledger",
        "postgresql://someone@127.0.0.2/ledger",
        "postgresql://someone@[::1]/ledger",
        "host=/var/run/postgresql",
        "host=@abstract",
        "host=db.example hostaddr=127.0.0.1",
        "service=local",
    ],
)
def test_this_machine_is_reached_as_libpq_does(text: str) -> None:
    assert sslmode(text) is None


@pytest.mark.parametrize("mode", ["disable", "prefer", "verify-full"])
def test_what_a_connection_string_says_stands(mode: str) -> None:
    assert sslmode(f"postgresql://db.example/ledger?sslmode={mode}") == mode


def test_what_the_environment_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "prefer")
    assert sslmode("postgresql://db.example/ledger") is None


def test_what_a_service_file_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sslmode("service=plain") is None
    monkeypatch.setenv("PGSERVICE", "plain")
    assert sslmode("dbname=ledger") is None


def test_a_host_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert sslmode("dbname=ledger") == "require"


def test_the_systems_root_certificates_mean_more_than_require() -> None:
    assert sslmode("postgresql://db.example/ledger?sslrootcert=system") is None


@pytest.fixture(scope="module")
def encrypted(place: Path, certificate: tuple[Path, Path], own_address: str) -> Iterator[Cluster]:
    """A database that takes connections from the network, and can encrypt them."""
    crt, key = certificate
    rules = place / "pg_hba.conf"
    rules.write_text("host all all all scram-sha-256\n")
    key.chmod(0o600)
    if user := places.unprivileged_user(place / "cluster" / "data"):
        os.chown(key, user.pw_uid, user.pw_gid)
    with migrated(
        place,
        listen_addresses=f"127.0.0.1,{own_address}",
        hba_file=str(rules),
        ssl="on",
        ssl_cert_file=str(crt),
        ssl_key_file=str(key),
    ) as made:
        yield made


def elsewhere(cluster: Cluster, address: str, role: str = "wattledger_service") -> str:
    return conninfo.make_conninfo(cluster.url(role), host=address)


def test_every_connection_of_the_service_is_encrypted(encrypted: Cluster, own_address: str) -> None:
    with (
        serving(elsewhere(encrypted, own_address), "--workers", "1"),
        psycopg.connect(encrypted.url()) as connection,
    ):
        connection.autocommit = True
        names: set[str] = set()
        deadline = monotonic() + 60
        # who settles comes when the others are there
        while names != {"wattledger", "wattledger ingest", "wattledger upkeep"}:
            assert monotonic() < deadline, names
            rows = connection.execute(
                "SELECT a.application_name, s.ssl FROM pg_stat_ssl AS s"
                " JOIN pg_stat_activity AS a USING (pid) WHERE a.usename = 'wattledger_service'"
            ).fetchall()
            names = {name for name, _ in rows}
    assert all(ssl for _, ssl in rows)


def test_commands_are_encrypted_and_can_verify(
    encrypted: Cluster,
    own_address: str,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = elsewhere(encrypted, own_address, "postgres")
    with psycopg.connect(encrypted.url(), autocommit=True) as connection:
        # whoever comes without TLS from elsewhere is not let in
        rules = connection.execute("SHOW hba_file").fetchone()
        assert rules is not None
        Path(rules[0]).write_text(
            "host all all 127.0.0.1/32 scram-sha-256\nhostssl all all all scram-sha-256\n"
        )
        connection.execute("SELECT pg_reload_conf()")
    assert differences(url) == []
    verified = conninfo.make_conninfo(url, sslmode="verify-full", sslrootcert=str(certificate[0]))
    for given in (url, verified):
        monkeypatch.setenv("DATABASE_URL", given)
        done = CliRunner().invoke(main, ["maintain"])
        assert done.exit_code == 0, done.output
        assert CliRunner().invoke(main, ["db", "status"]).output.startswith("running")


def test_a_server_without_tls_is_refused_with_the_cure(
    encrypted: Cluster, own_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = elsewhere(encrypted, own_address, "postgres")
    with psycopg.connect(encrypted.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET ssl = off")
        connection.execute("SELECT pg_reload_conf()")
    try:
        with pytest.raises(MigrationError, match="only where the network between is private, add"):
            differences(url)
        monkeypatch.setenv("DATABASE_URL", url)
        for words in (["db", "status"], ["maintain"], ["migrate", "--check"]):
            done = CliRunner().invoke(main, words)
            assert done.exit_code != 0
            assert "sslmode=disable" in done.output
    finally:
        with psycopg.connect(encrypted.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET ssl")
            connection.execute("SELECT pg_reload_conf()")
