"""The image holds exactly what is locked, and its process may do as little as possible."""

import json
import re
import tomllib

import pytest

from service.routes.health import live
from service.settings import Settings
from tests.packaging.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read_instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined if line.strip()]


INSTRUCTIONS = read_instructions()
LAST_STAGE = INSTRUCTIONS[max(i for i, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]


def arguments(name: str, instructions: list[tuple[str, str]] = INSTRUCTIONS) -> list[str]:
    return [argument for found, argument in instructions if found == name]


def test_every_stage_starts_from_one_pinned_python():
    bases = {base.split()[0] for base in arguments("FROM")}
    assert len(bases) == 1
    [found] = [re.fullmatch(r"python:3\.(\d+)-slim-[a-z]+", base) for base in bases]
    assert found, bases
    assert 11 <= int(found[1]) < 14, PROJECT["requires-python"]


def test_process_is_not_root_by_number():
    user, group = arguments("USER", LAST_STAGE)[-1].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_dependencies_are_installed_by_hash_alone():
    installs = [
        install
        for run in arguments("RUN")
        for install in run.split("&&")
        if re.search(r"\bpip\b.*\binstall\b", install)
    ]
    assert len(installs) == 2
    locked, ours = installs
    assert "--require-hashes" in locked
    assert "--requirement /src/requirements.lock" in locked
    assert "--no-deps --no-index" in ours


def test_files_of_the_image_belong_to_root_alone():
    for copied in [*arguments("COPY"), *arguments("ADD")]:
        assert "--chown" not in copied
        assert "--chmod" not in copied
    # what is fetched is fetched by pip, with its hash
    assert arguments("ADD") == []


def test_last_stage_runs_nothing_and_ends_as_the_unprivileged_user():
    assert arguments("RUN", LAST_STAGE) == []
    names = [name for name, _ in LAST_STAGE]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert names.count("USER") == 1


def test_no_secret_is_built_in():
    named = [*arguments("ENV"), *arguments("ARG")]
    assert named
    assert [one for one in named if re.search("PASSWORD|SECRET|TOKEN|DATABASE_URL", one)] == []


@pytest.mark.parametrize("name", ["ENTRYPOINT", "CMD"])
def test_process_is_started_without_a_shell(name: str):
    [argument] = arguments(name, LAST_STAGE)
    assert isinstance(json.loads(argument), list)


def test_entry_point_is_the_command_of_the_project():
    [argument] = arguments("ENTRYPOINT", LAST_STAGE)
    [command] = json.loads(argument)
    assert command in PROJECT["scripts"]


def test_health_check_asks_for_liveness_on_the_port_served():
    [argument] = arguments("HEALTHCHECK", LAST_STAGE)
    [path] = live.paths
    assert f"http://127.0.0.1:{Settings().port}{path}" in argument
    assert arguments("EXPOSE", LAST_STAGE) == [str(Settings().port)]


def test_everything_copied_is_there_and_not_ignored():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    copied = [
        source
        for argument in arguments("COPY")
        if not argument.startswith("--from")
        for source in argument.split()[:-1]
    ]
    assert "*" in lines
    assert sorted(copied) == sorted(kept)
    assert [source for source in copied if not (ROOT / source).exists()] == []
