"""The real Prometheus scrapes a service whose workers are killed, and evaluates all rules."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.http import meter, vehicle, wait_for
from tests.support.keys import bearer, make_key, the_key
from tests.support.load import Load
from tests.support.monitoring import (
    BUFFER,
    FOLDER,
    RULES,
    RUNBOOKS,
    STANDBY,
    dashboard_expressions,
    grouped_labels,
    metrics,
    rules,
    selectors,
    variables,
)
from tests.support.process import free_port, serving
from tests.support.prometheus import Prometheus, scraping
from tests.support.server import Server, as_service

pytestmark = pytest.mark.slow

COUNTER = re.compile("wattledger_.+_(total|bucket|sum|count)")
# roles of the database, which begin like metrics
ROLES = {"owner", "service", "bi", "dba"}
EXPRESSIONS = [*(rule["expr"] for rule in rules()), *dashboard_expressions()]


class Scraped(NamedTuple):
    """What a Prometheus knows of a service, and how often its workers were killed."""

    prometheus: Prometheus
    load: Load
    by_key: str
    by_address: str
    killed: int


def config(key_file: Path, *targets: str) -> str:
    """The configuration of docs/monitoring, for a service and a run of seconds."""
    text = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    for pattern, value in (
        (r"_interval: 15s", "_interval: 500ms"),
        (r"/etc/prometheus/wattledger\.key(?=\n +static)", str(key_file)),
        (r"- wattledger\.rules\.yml", f"- {RULES}"),
        (r"( +)- localhost:3000", "\n".join(rf"\1- {target}" for target in targets)),
    ):
        text, replaced = re.subn(pattern, value, text)
        assert replaced, pattern
    return text


def use(url: str) -> None:
    """Cause one of each that is counted: reads, refusals of readings, and of keys."""
    with httpx.Client(base_url=url, headers=bearer(), timeout=20) as client:
        client.post("/v1/ingest", json=[vehicle(), meter("M-X"), meter("M-X", kwhConsumedAc=1)])
        client.post("/v1/ingest", json=[meter("M-X", kwhConsumedAc=1e9)])
        client.post("/v1/ingest", content=b"{", headers={"Content-Type": "application/json"})
        client.get("/v1/meters")
        client.head("/v1/vehicles")
        client.get("/v1/analytics/fleet")
        client.get("/v1/meters", headers={"Authorization": "Bearer wl_a_b"})


@pytest.fixture(scope="module")
def scraped(database_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """A service under load, four times rid of a worker and once of both, as Prometheus saw it."""
    directory = tmp_path_factory.mktemp("prometheus")
    by_address = f"127.0.0.1:{free_port()}"
    with database_server.clone() as database_url:
        key_file = directory / "key"
        key_file.write_text(make_key(database_url, "metrics"))
        with serving(
            as_service(database_url), "--workers", "2", WATTLEDGER_METRICS_ADDRESS=by_address
        ) as service:
            by_key = service.url.removeprefix("http://")
            with scraping(directory, config(key_file, by_key, by_address)) as prometheus:
                load = Load(service.url, the_key(), devices=4)
                load.start()
                use(service.url)
                killed = 0
                try:
                    for most in (1, 1, 1, 1, 2):
                        load.acknowledge_more(100)
                        # one that is killed before it has come to count is not counted as started
                        wait_for_starts(by_address, 2 + killed)
                        for worker in service.workers()[:most]:
                            os.kill(worker, signal.SIGKILL)
                            killed += 1
                        # so that a scrape falls between
                        time.sleep(1)
                    load.acknowledge_more(100)
                    wait_for_starts(by_address, 2 + killed)
                finally:
                    load.stop()
                use(service.url)
                wait_for_scrapes(prometheus)
                yield Scraped(prometheus, load, by_key, by_address, killed)


def wait_for_starts(address: str, starts: int) -> None:
    """Wait until two workers run, of so many that were started."""
    wanted = ("\nwattledger_workers 2\n", f"\nwattledger_worker_starts_total {starts}\n")

    def started() -> bool:
        told = httpx.get(f"http://{address}/metrics", timeout=5).text
        return all(line in told for line in wanted)

    wait_for(started)


def wait_for_scrapes(prometheus: Prometheus) -> None:
    """Wait until what was just done has been scraped, and all rules were evaluated after that."""
    now = time.time()
    deadline = now + 60
    while True:
        scrapes = prometheus.query('timestamp(up{job="wattledger"})')
        groups = prometheus.get("rules")["groups"]
        ages = [at - now for _, at in scrapes]
        evaluated = all(group["lastEvaluation"] > iso(now + 3) for group in groups)
        if len(ages) == 2 and min(ages) > 1 and evaluated:
            return
        assert time.time() < deadline, (ages, groups)
        time.sleep(0.2)


def iso(moment: float) -> str:
    """As Prometheus writes it, for comparison."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


def test_no_counter_goes_back_when_workers_are_killed(scraped: Scraped) -> None:
    assert scraped.killed == 6
    names = [
        name for name in scraped.prometheus.get("label/__name__/values") if COUNTER.fullmatch(name)
    ]
    assert len(names) > 10
    for name in names:
        series = scraped.prometheus.query(f"resets({name}[10m])")
        assert series
        assert [(name, labels) for labels, resets in series if resets] == []


def test_what_was_acknowledged_is_counted(scraped: Scraped) -> None:
    for instance in (scraped.by_key, scraped.by_address):
        ((_, counted),) = scraped.prometheus.query(
            f'sum(wattledger_readings_total{{instance="{instance}",type="meter"}})'
        )
        # what was stored by a worker that died before it answered came again, as a duplicate
        assert counted >= len(scraped.load.acknowledged)


def test_the_service_answers_prometheus_and_its_own_address_always_does(scraped: Scraped) -> None:
    up = {labels["instance"]: value for labels, value in scraped.prometheus.query("up")}
    assert up == {scraped.by_key: 1, scraped.by_address: 1}
    ((_, least),) = scraped.prometheus.query(
        f'min_over_time(up{{instance="{scraped.by_address}"}}[10m])'
    )
    assert least == 1


def test_workers_that_died_were_replaced_and_are_counted_once(scraped: Scraped) -> None:
    ((_, workers),) = scraped.prometheus.query(
        f'wattledger_workers{{instance="{scraped.by_address}"}}'
    )
    ((_, starts),) = scraped.prometheus.query(
        f'wattledger_worker_starts_total{{instance="{scraped.by_address}"}}'
    )
    assert (workers, starts) == (2, 2 + scraped.killed)


def test_every_rule_is_evaluated_without_error(scraped: Scraped) -> None:
    evaluated = [
        rule for group in scraped.prometheus.get("rules")["groups"] for rule in group["rules"]
    ]
    assert len(evaluated) == len(rules())
    assert {rule["health"] for rule in evaluated} == {"ok"}


def test_every_metric_that_is_named_exists(scraped: Scraped) -> None:
    names = set(scraped.prometheus.get("label/__name__/values"))
    runbooks = metrics(RUNBOOKS.read_text(encoding="utf-8")) - ROLES
    named = metrics("\n".join([*EXPRESSIONS, *variables()])) | runbooks
    assert len(named) > 30
    # tests/buffer looks for those of a buffer
    here = {name for name in named - STANDBY if not name.startswith(BUFFER)}
    assert {name for name in here if f"wattledger_{name}" not in names} == set()


def test_every_label_that_is_named_exists(scraped: Scraped) -> None:
    labels = set(scraped.prometheus.get("labels"))
    named = set[str]().union(*map(grouped_labels, EXPRESSIONS))
    assert {"instance", "reason", "type"} <= named
    # of the reads by database, with a standby, and of a buffer
    assert named - labels - {"database", "partition"} == set()


def test_every_selector_finds_something(scraped: Scraped) -> None:
    found = {
        selector: bool(scraped.prometheus.query(selector))
        for expression in EXPRESSIONS
        for name, selector in selectors(expression)
        # all went well
        if name not in STANDBY and not name.startswith(BUFFER) and 'status=~"5' not in selector
    }
    assert len(found) > 40
    assert [selector for selector, is_found in found.items() if not is_found] == []
