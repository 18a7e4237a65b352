"""`wattledger config`: the settings in force."""

import os

import click

from service import settings
from service.cli.environment import MASK, VARIABLES, Variable, masked_url, wrong_url


@click.command()
def config() -> None:
    """Print every setting: what it is for, what is allowed, its value, and its variable.

    As lines of a file for systemd or Docker: what has its default is commented out, and secrets are
    masked. Where something in the environment cannot be used, all of that is named instead, and the
    exit status is 1.
    """
    loaded = settings.load()
    for setting in settings.declared():
        default = _shown(setting.default)
        _print(
            f"{setting.about} Allowed: {setting.allowed}. Default: {default or 'empty'}.",
            setting.variable,
            _shown(getattr(loaded, setting.name)),
            is_set=setting.variable in os.environ,
        )
    for variable in VARIABLES:
        told = f"{variable.about} Allowed: {variable.allowed}."
        if variable.default:
            told += f" Default: {variable.default}."
        _print(told, variable.name, _value(variable), is_set=variable.name in os.environ)


def _print(about: str, name: str, value: str, *, is_set: bool) -> None:
    click.echo(f"# {about}")
    click.echo(f"{'' if is_set else '#'}{name}={value}")


def _shown(value: object) -> str:
    """As the environment would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _value(variable: Variable) -> str:
    given = os.environ.get(variable.name, "")
    if given and variable.is_secret:
        return MASK
    return masked_url(given) if given and variable.check is wrong_url else given
