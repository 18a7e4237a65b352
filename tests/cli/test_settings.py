"""Settings that cannot be used: every command names all of them, and no secret."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from service import settings
from service.cli import main
from service.cli.environment import VARIABLES, known, problems, wrong_url
from tests.packaging.places import ROOT, SERVICE
from tests.support.documents import DOCS

NAMES = re.compile(r"(?<![\w$])WATTLEDGER_[A-Z_]*[A-Z]\b(?!_)")
SECRET = "0pen-Sesame"

# what each kind of setting refuses, and what it takes
WRONG: dict[str, tuple[list[str], list[str]]] = {
    "a whole number": (["", "many", "0", "-1", "1.5", "1e99", "9" * 30, "nan"], ["1"]),
    "a number": (["", "soon", "0", "-1", "inf", "nan", "1e300"], ["0.5", "1"]),
    "true or": (["", "yes", "2", "on"], ["true", "FALSE", "1", "0"]),
    "any text but": ([""], ["localhost"]),
    "off or on": (["", "ON", "yes"], ["off", "on"]),
    "PLAIN or": (["", "plain", "GSSAPI"], ["off"]),
    "off or": (["", "OFF", "none"], ["off", "required"]),
    "json or": (["", "xml"], ["json", "text"]),
    "any text": ([], ["", "/x"]),
}


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def cases(setting: settings.Setting) -> tuple[list[str], list[str]]:
    """What a setting refuses and takes, by what it says is allowed."""
    return next(pair for start, pair in WRONG.items() if setting.allowed.startswith(start))


@pytest.mark.parametrize("setting", settings.declared(), ids=lambda setting: setting.name)
def test_a_setting_refuses_what_it_says_it_does_not_allow(setting: settings.Setting) -> None:
    refused, taken = cases(setting)
    for value in refused:
        (problem,) = problems({setting.variable: value})
        assert problem == (
            f"{setting.variable}={value!r} cannot be used: allowed is {setting.allowed}"
        )
    for value in taken:
        # what is wrong only beside others is not told of the value
        assert not any("allowed is" in problem for problem in problems({setting.variable: value}))


@pytest.mark.parametrize("setting", settings.declared(), ids=lambda setting: setting.name)
def test_a_setting_says_what_it_is_for_and_its_default_is_allowed(
    setting: settings.Setting,
) -> None:
    assert re.fullmatch(r"[A-Z].{8,90}\.", setting.about)
    told = call("config").output
    assert f"# {setting.about} Allowed: {setting.allowed}. Default: " in told
    (line,) = [line for line in told.splitlines() if line.startswith(f"#{setting.variable}=")]
    assert problems({setting.variable: line.partition("=")[2]}) == []


def test_config_shows_what_is_set_and_comments_out_what_is_not() -> None:
    told = call("config", WATTLEDGER_PORT="3210", WATTLEDGER_ACCESS_LOG="0").output
    assert "\nWATTLEDGER_PORT=3210\n" in told
    assert "\nWATTLEDGER_ACCESS_LOG=false\n" in told
    assert "\n#WATTLEDGER_QUEUE_READINGS=100000\n" in told
    assert "Default: 3000." in told


def test_config_shows_every_variable_but_no_secret() -> None:
    secret = SECRET.replace("-", "%2D")
    told = call(
        "config",
        DATABASE_URL=f"postgresql://wattledger_service:{secret}@db.example:6432/fleet",
        READ_DATABASE_URL=f"host=standby.example password='{SECRET}' sslpassword={SECRET}",
        WATTLEDGER_SERVICE_PASSWORD=SECRET,
    ).output
    assert SECRET not in told
    assert secret not in told
    assert "host=db.example" in told
    assert "host=standby.example" in told
    assert "\nWATTLEDGER_SERVICE_PASSWORD=***\n" in told
    for variable in VARIABLES:
        assert f"{variable.name}=" in told


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = {
        "WATTLEDGER_PORT": "http",
        "WATTLEDGER_WORKERS": "0",
        "WATTLEDGER_KEY_CACHE_SECNDS": "5",
        "DATABASE_URL": "postgres@db.example",
        "READ_DATABASE_URL": "",
        "WATTLEDGER_DB_PORT": "65536",
        "WATTLEDGER_HOME": __file__,
        "WATTLEDGER_DEBIAN_MIRROR": "debian",
    }
    answer = call("config", **wrong)
    assert answer.exit_code == 1
    for name in wrong:
        assert name in answer.output


@pytest.mark.parametrize(
    "command",
    [
        *("config", "serve", "up", "migrate", "migrate --check", "maintain", "verify", "demo"),
        *("key list", "db start", "db stop", "db status", "db url", "db destroy --yes"),
    ],
)
def test_every_command_refuses_a_misspelt_setting(command: str) -> None:
    answer = call(*command.split(), WATTLEDGER_WORKRES="2")
    assert answer.exit_code == 1
    assert answer.output == (
        "Error: WATTLEDGER_WORKRES is not a setting: did you mean WATTLEDGER_WORKERS?\n"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wattledger_port", "did you mean WATTLEDGER_PORT?"),
        ("WATTLEDGER_READ_DATABASE_URL", "did you mean READ_DATABASE_URL?"),
        ("WATTLEDGER_SERVICE_HOST", "enableServiceLinks: false"),
        ("WATTLEDGER_PORT_3000_TCP_ADDR", "enableServiceLinks: false"),
        ("WATTLEDGER_COLOUR_OF_THE_SKY", "WATTLEDGER_COLOUR_OF_THE_SKY is not a setting"),
    ],
)
def test_an_unknown_variable_of_ours_is_refused_with_a_way_out(name: str, told: str) -> None:
    (problem,) = problems({name: "1"})
    assert problem.startswith(f"{name} is not a setting")
    assert told in problem


def test_variables_of_others_are_left_alone() -> None:
    others = {
        "WATTLEDGER_TESTS_SERVER": "x",
        "WATTLEDGER_KEY": "wl_a_b",
        "WATTLEDGERS": "",
        "A": "",
    }
    assert problems(others) == []


def test_what_docker_compose_hands_on_is_taken() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    for service in ("migrate", "service"):
        handed: dict[str, Any] = compose["services"][service]["environment"]
        # an unset variable becomes an empty one
        values = {name: re.sub(r"\$\{.*\}", "", text) for name, text in handed.items()}
        assert problems(values) == []


def test_every_variable_that_is_named_anywhere_is_known() -> None:
    files = [*SERVICE.rglob("*.py"), *DOCS.rglob("*.*"), ROOT / "docker-compose.yml"]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix != ".svg"]
    named = {name for text in texts for name in NAMES.findall(text)}
    assert len(named) > 20
    assert {name for name in named if problems({name: "1"}) and name not in known()} == set()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (f"postgresql://u:{SECRET}%zz@h/d", "write %25"),
        (f"postgresql://u:{SECRET}@h:port/d", "its port"),
        (f"postgresql://u:{SECRET}@h:99999/d", "its port"),
        (f"postgresql://u:{SECRET}@h/d?{SECRET}=1", "an option"),
        (f"postgresql://u:{SECRET}@h/d?sslmode=on", "its sslmode"),
        (f"postgresql://u:{SECRET}@[::1/d", "bracket"),
        (f"postgressql://u:{SECRET}@h/d", "neither a URL"),
        (f"u:{SECRET}@h", "neither a URL"),
        (f"host=h password='{SECRET}", "a quote"),
        (f"host=h {SECRET}=x", "an option"),
    ],
)
def test_a_connection_string_that_cannot_be_used_is_refused_without_showing_it(
    value: str, told: str
) -> None:
    for name in ("DATABASE_URL", "READ_DATABASE_URL"):
        (problem,) = problems({name: value})
        assert problem.startswith(f"{name} cannot be used: ")
        assert told in problem
        assert SECRET not in problem


@given(before=st.text(max_size=8), after=st.text(max_size=8), form=st.sampled_from("ukn"))
def test_no_password_is_ever_told_of_a_connection_string(
    before: str, after: str, form: str
) -> None:
    password = f"{before}{SECRET}{after}"
    value = {
        "u": f"postgresql://login:{password}@host:5432/database?application_name=x",
        "k": f"host=h user=u password={password}",
        "n": password,
    }[form]
    assert SECRET not in (wrong_url(value) or "")


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://",
        "postgresql:///wattledger",
        "postgres://u:p@a:5432,b:5433/d?target_session_attrs=any",
        "host=/var/run/postgresql dbname=d",
        "service=fleet",
        "postgresql://u@[::1]:5432/d?sslmode=verify-full&sslrootcert=system",
    ],
)
def test_a_connection_string_of_any_form_is_taken(value: str) -> None:
    assert problems({"DATABASE_URL": value, "READ_DATABASE_URL": value}) == []


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"WATTLEDGER_KEYS": "off", "WATTLEDGER_HOST": "::"}, "::"),
        ({"WATTLEDGER_KEYS": "off", "WATTLEDGER_ROOT_PATH": "/x"}, "proxy"),
        ({"WATTLEDGER_ROOT_PATH": "x/"}, "WATTLEDGER_ROOT_PATH"),
        ({"WATTLEDGER_TRUSTED_PROXIES": "proxy"}, "WATTLEDGER_TRUSTED_PROXIES"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    environment: dict[str, str], told: str
) -> None:
    (problem,) = problems(environment)
    assert told in problem


def test_help_is_given_whatever_the_environment_says() -> None:
    # as a process, since that is where the words are looked for
    from tests.cli.test_commands import run

    answer = run("serve", "--help", WATTLEDGER_WORKRES="2")
    assert answer.returncode == 0
    assert "--workers" in answer.stdout
