"""Process of locust: the options of its run, which its master tells it, and its number."""

from __future__ import annotations

import json
from typing import Any

from locust import events

from loadtests.load.options import Options


@events.init_command_line_parser.add_listener
def _(parser: Any, **_: Any) -> None:
    parser.add_argument(
        "--scenario", default="{}", include_in_web_ui=False, help="options as JSON, by `just load`"
    )


def options_of(environment: Any) -> Options:
    """The options of a run, in any of its processes once it starts."""
    return Options(**json.loads(environment.parsed_options.scenario))


def number_of(environment: Any, options: Options) -> int:
    """Which of the processes of locust this one is, from 0 on."""
    return max(0, getattr(environment.runner, "worker_index", 0)) % options.processes
