"""`wattledger config`: the settings in force."""

import click
import msgspec

from service import settings


@click.command()
def config() -> None:
    """Print every setting of the service, its value, and the variable that sets it."""
    try:
        loaded = settings.load()
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    for name, value in msgspec.structs.asdict(loaded).items():
        click.echo(f"WATTLEDGER_{name.upper()}={value}")
    for name, about in (
        ("DATABASE_URL", "the database; the embedded one if unset"),
        ("READ_DATABASE_URL", "where reads go, such as a replica; DATABASE_URL if unset"),
        ("TEST_DATABASE_URL", "a superuser's, for the tests; an embedded one if unset"),
    ):
        click.echo(f"{name}: {about}")
