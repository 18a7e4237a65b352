"""Make a data directory with initdb."""

import os
import pwd
import shutil
from pathlib import Path

from service.embedded.errors import EmbeddedError
from service.embedded.programs import Programs
from service.embedded.running import run


def make_data(
    data: Path, programs: Programs, user: pwd.struct_passwd | None, superuser: str, password: str
) -> None:
    """Make a data directory that belongs to `user` and includes wattledger.conf.

    It is made beside its place and then renamed, so that one killed half-way leaves nothing
    there. Raises EmbeddedError.
    """
    staging = data.with_name("data.new")
    password_file = data.with_name("password.new")
    shutil.rmtree(staging, ignore_errors=True)
    password_file.unlink(missing_ok=True)
    staging.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if user:
        for path in (staging, password_file):
            os.chown(path, user.pw_uid, user.pw_gid)
    try:
        done = run(
            [
                programs.path("initdb"),
                *_locale(programs.major),
                "--encoding=UTF8",
                "--auth=scram-sha-256",
                "--data-checksums",
                f"--username={superuser}",
                f"--pwfile={password_file}",
                f"--pgdata={staging}",
            ],
            user,
            home=data.parent,
        )
    finally:
        password_file.unlink()
    if done.returncode:
        raise EmbeddedError(f"initdb failed: {done.stderr.strip()}")
    with (staging / "postgresql.conf").open("a") as file:
        file.write("include 'wattledger.conf'\n")
    staging.rename(data)


def _locale(major: int) -> list[str]:
    """Order by code point, upper and lower case as Unicode has it, on every host the same."""
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C", "--lc-ctype=C.UTF-8"]
