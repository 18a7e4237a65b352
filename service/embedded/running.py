"""Run a program as the user that PostgreSQL runs as."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run(
    command: Sequence[str | Path], user: pwd.struct_passwd | None, home: Path = Path("/")
) -> subprocess.CompletedProcess[str]:
    """Run a program as `user` (null: as ourselves) and wait; its answer is in English.

    It sees nothing of our environment: variables such as PGDATA or PGOPTIONS would change what
    PostgreSQL's programs do.
    """
    return subprocess.run(
        command,
        cwd="/",
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "HOME": str(home),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
