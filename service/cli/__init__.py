"""Command line, `wattledger`: one module per command, gathered here."""

import click

from service.cli.config import config
from service.cli.db import db
from service.cli.demo import demo
from service.cli.key import key
from service.cli.maintain import maintain
from service.cli.migrate import migrate
from service.cli.serve import serve
from service.cli.up import up
from service.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="wattledger")
def main() -> None:
    """The ledger of a charging fleet's energy: grid AC in, battery DC out, and what was lost."""


for command in (up, serve, migrate, key, maintain, verify, demo, db, config):
    main.add_command(command)
