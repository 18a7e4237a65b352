"""Command line, `wattledger`: one module per command, gathered here."""

import sys
from importlib import import_module
from keyword import iskeyword

import click

_COMMANDS = (
    "config",
    "db",
    "demo",
    "export",
    "import",
    "key",
    "maintain",
    "migrate",
    "serve",
    "up",
    "verify",
    "webhook",
    "worker",
)


class _Commands(click.Group):
    """Commands whose modules are imported when they are asked for: each needs a part of all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # all of them, where the name is wrong, so that the right one can be proposed
        for name in _COMMANDS if cmd_name not in _COMMANDS else (cmd_name,):
            # one of Python's own words cannot be a module's name
            module = f"{name}_" if iskeyword(name) else name
            self.add_command(getattr(import_module(f"service.cli.{module}"), module))
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="wattledger")
def main() -> None:
    """The ledger of a charging fleet's energy: grid AC in, battery DC out, and what was lost.

    Settings are environment variables, which `wattledger config` shows. Where one of them is wrong
    or unknown, no command does anything but say so.
    """
    if {"-h", "--help"}.isdisjoint(sys.argv[1:]):
        _check_environment()


def _check_environment() -> None:
    # not for --help, which is there to tell how it is done
    from service.cli.environment import problems

    if found := problems():
        raise click.ClickException("\n".join(found))
