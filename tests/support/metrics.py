"""Metrics as somebody else's parser reads them."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.keys import bearer

Series = tuple[str, frozenset[tuple[str, str]]]
PREFIX = "wattledger_"


class Scrape:
    """All samples of a scrape, by name and labels."""

    def __init__(self, text: str) -> None:
        self.kinds: dict[str, str] = {}
        self.samples: dict[Series, float] = {}
        for family in text_string_to_metric_families(text):
            assert family.documentation
            self.kinds[family.name] = family.type
            for sample in family.samples:
                series = sample.name, frozenset(sample.labels.items())
                assert series not in self.samples, f"twice: {series}"
                self.samples[series] = sample.value

    def value(self, name: str, **labels: str) -> float:
        """The only sample of a name, without the prefix, that has exactly these labels."""
        return self.samples[PREFIX + name, frozenset(labels.items())]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of a name that have these labels, and perhaps others."""
        wanted = set(labels.items())
        return sum(
            value
            for (found, its), value in self.samples.items()
            if found == PREFIX + name and wanted <= its
        )

    def has(self, name: str) -> bool:
        """Whether there is any sample of a name."""
        return any(found == PREFIX + name for found, _ in self.samples)

    def counters(self) -> Mapping[Series, float]:
        """What must never go back: counters, and buckets, counts and sums of histograms."""
        gauges = {name for name, kind in self.kinds.items() if kind == "gauge"}
        return {key: value for key, value in self.samples.items() if key[0] not in gauges}

    def went_back_since(self, before: Scrape) -> list[Series]:
        """The counters that are less than before, or gone."""
        now = self.counters()
        return [key for key, value in before.counters().items() if now.get(key, -1) < value]


def scrape(url: str, key: str | None = None) -> Scrape:
    """Scrape a service that listens; with a key for everything unless another is given."""
    answer = httpx.get(f"{url}/metrics", headers=bearer(key), timeout=20)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)
