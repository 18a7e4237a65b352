"""The buffer's address and how it lets in, as the settings say it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from service.buffer.address import PASSWORD, Address
from service.cli import main
from service.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("text", "servers", "topic"),
    [
        ("kafka://broker/readings", "broker:9092", "readings"),
        ("kafka://a:1,b:2,c/fleet-1.live", "a:1,b:2,c:9092", "fleet-1.live"),
        ("kafka://[::1]:9,[fd00::2]/t", "[::1]:9,[fd00::2]:9092", "t"),
    ],
)
def test_an_address_names_brokers_and_a_topic(text: str, servers: str, topic: str) -> None:
    address = Address(Settings(buffer=text))
    assert (address.servers, address.topic) == (servers, topic)
    assert address.client("test")["security.protocol"] == "plaintext"


@pytest.mark.parametrize(
    "text",
    [
        *("kafka://", "kafka://broker", "kafka:///topic", "kafka://broker/", "broker:9092/topic"),
        *("kafka://a,,b/t", "kafka://a:b:c/t", "kafka://broker/a/b", "kafka://broker/a topic"),
        "kafka://somebody:secret@broker/topic",
    ],
)
def test_an_address_of_another_form_is_refused_without_what_it_holds(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Address(Settings(buffer=text))
    assert "kafka://host:9092,host2:9092/topic" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_tls_and_a_password_are_settings_of_their_own() -> None:
    settings = Settings(
        buffer="kafka://broker/t",
        buffer_tls="on",
        buffer_ca_file="/ca.pem",
        buffer_certificate_file="/c.pem",
        buffer_key_file="/k.pem",
        buffer_sasl="SCRAM-SHA-512",
        buffer_user="api",
    )
    client = Address(settings, {PASSWORD: "secret"}).client("test")
    assert client["security.protocol"] == "sasl_ssl"
    assert client["ssl.ca.location"] == "/ca.pem"
    assert client["ssl.certificate.location"] == "/c.pem"
    assert client["ssl.key.location"] == "/k.pem"
    assert client["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (client["sasl.username"], client["sasl.password"]) == ("api", "secret")


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"buffer_sasl": "PLAIN"}, PASSWORD),
        ({"buffer_sasl": "PLAIN", "buffer_user": "api"}, PASSWORD),
        ({"buffer_ca_file": "/ca.pem"}, "WATTLEDGER_BUFFER_TLS=on"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    options: dict[str, str], missing: str
) -> None:
    with pytest.raises(SettingsError, match=missing):
        Address(Settings(buffer="kafka://broker/t", **options), {})


@pytest.mark.parametrize("address", ["kafka://broker/t", "kafka://api:in-the-url@broker/t"])
def test_no_command_shows_a_password(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATTLEDGER_BUFFER", address)
    monkeypatch.setenv("WATTLEDGER_BUFFER_SASL", "PLAIN")
    monkeypatch.setenv(PASSWORD, "in-the-environment")
    told = "".join(CliRunner().invoke(main, [command]).output for command in ("config", "worker"))
    assert "WATTLEDGER_BUFFER" in told
    assert "in-the-url" not in told
    assert "in-the-environment" not in told


def test_a_worker_without_a_buffer_says_what_to_set() -> None:
    answer = CliRunner().invoke(main, ["worker"])
    assert answer.exit_code == 1
    assert "WATTLEDGER_BUFFER is not set" in answer.output
