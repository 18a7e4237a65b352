"""docker-compose.yml's profile kafka: three brokers, their topic, and who uses it."""

import base64
import re
from typing import Any

import pytest

from service.buffer.address import Address
from service.buffer.signs import READY, SETTING
from service.settings import Settings
from tests.packaging.test_compose import BROKERS, COMPOSE, SERVICES, each_broker
from tests.support.java import KAFKA

PROFILE = {*BROKERS, "topic", "worker"}
# what a broker has of its own
OWN_SETTINGS = {"KAFKA_NODE_ID", "KAFKA_ADVERTISED_LISTENERS"}
WITH_PROFILE = "${COMPOSE_PROFILES:+"


def settings_of(name: str) -> dict[str, Any]:
    return SERVICES[name]["environment"]


def options_of_topic() -> dict[str, str]:
    options = dict(
        one.removeprefix("--").partition("=")[::2] for one in SERVICES["topic"]["command"]
    )
    key, _, value = options.pop("config").partition("=")
    return {**options, key: value}


def test_without_the_profile_there_is_a_database_and_a_service_alone():
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == PROFILE
    assert all(SERVICES[name]["profiles"] == ["kafka"] for name in PROFILE)
    # nothing else may need them, or compose refuses the file
    for name in SERVICES.keys() - PROFILE:
        for target, dependency in SERVICES[name].get("depends_on", {}).items():
            assert (target in PROFILE) == (dependency.get("required") is False)


def test_service_has_the_buffer_with_the_profile_alone_and_the_worker_the_same_one():
    given = settings_of("service")["WATTLEDGER_BUFFER"]
    assert given.startswith(WITH_PROFILE)
    assert given.endswith("}")
    buffer = given.removeprefix(WITH_PROFILE).removesuffix("}")
    # the first of these in it would be read as another operator
    assert not re.search(r"[-?+]", buffer)
    assert settings_of("worker")["WATTLEDGER_BUFFER"] == buffer
    address = Address(Settings(buffer=buffer), {})
    assert address.servers == ",".join(f"{name}:9092" for name in BROKERS)
    assert address.topic == options_of_topic()["topic"]


def test_worker_is_healthy_when_it_is_ready():
    worker = SERVICES["worker"]
    _, _, port = worker["environment"][SETTING].rpartition(":")
    assert f"http://127.0.0.1:{port}{READY}" in worker["healthcheck"]["test"][-1]


@each_broker
def test_brokers_are_of_the_version_that_tests_run(name: str):
    assert SERVICES[name]["image"] == SERVICES["topic"]["image"] == f"apache/kafka:{KAFKA}"


def test_brokers_are_one_cluster_of_three_voters():
    shared = [
        {k: v for k, v in settings_of(name).items() if k not in OWN_SETTINGS} for name in BROKERS
    ]
    assert shared[0] == shared[1] == shared[2]
    voters = [f"{settings_of(name)['KAFKA_NODE_ID']}@{name}:9093" for name in BROKERS]
    assert shared[0]["KAFKA_CONTROLLER_QUORUM_VOTERS"] == ",".join(voters)
    assert [settings_of(name)["KAFKA_ADVERTISED_LISTENERS"] for name in BROKERS] == [
        f"PLAINTEXT://{name}:9092" for name in BROKERS
    ]
    assert len(base64.urlsafe_b64decode(shared[0]["CLUSTER_ID"] + "==")) == 16


@each_broker
def test_brokers_keep_acknowledged_readings(name: str):
    settings = settings_of(name)
    for setting in ("DEFAULT", "OFFSETS_TOPIC", "TRANSACTION_STATE_LOG"):
        assert settings[f"KAFKA_{setting}_REPLICATION_FACTOR"] == len(BROKERS)
    assert settings["KAFKA_MIN_INSYNC_REPLICAS"] == 2
    assert settings["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
    [volume] = SERVICES[name]["volumes"]
    assert volume == f"{name}:{settings['KAFKA_LOG_DIRS']}"
    assert name in COMPOSE["volumes"]


def test_topic_has_a_replica_on_each_broker_and_needs_two_to_acknowledge():
    options = options_of_topic()
    assert options["replication-factor"] == str(len(BROKERS))
    assert options["min.insync.replicas"] == "2"
    # it is made at the first start, and left alone at each later one
    assert "if-not-exists" in options
    assert list(SERVICES["topic"]["depends_on"]) == BROKERS


@pytest.mark.parametrize("name", [*BROKERS, "topic", "worker"])
def test_buffer_is_open_to_nobody_outside(name: str):
    assert "ports" not in SERVICES[name]
