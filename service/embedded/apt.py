"""apt on a private root: resolve, download and verify packages of another release."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from service.embedded import places
from service.embedded.errors import EmbeddedError

# shows the progress of the first start on a machine; every other command does without
if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
)


class Apt:
    """apt with directories of its own, that knows one suite of Debian and no installed package."""

    def __init__(self, directory: Path, suite: str, instead: str) -> None:
        """Write the configuration; `instead` says what to do where Debian cannot be used.

        Raises EmbeddedError where the archive's address or its keys are not known.
        """
        self._directory = directory
        for name in ("lists/partial", "archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
            (directory / name).mkdir(parents=True)
        (directory / "status").touch()
        keyring = next((path for path in _KEYRINGS if Path(path).exists()), None)
        if keyring is None:
            raise EmbeddedError(
                "Debian's archive keys are not here to verify its packages with: install the"
                f" package debian-archive-keyring; or {instead}"
            )
        (directory / "sources.list").write_text(
            f"deb [signed-by={keyring}] {_mirror(instead)} {suite} main\n"
        )
        settings = {
            "Dir::State": directory,
            "Dir::State::status": directory / "status",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory,
            "Dir::Cache::archives": directory / "archives",
            "Dir::Etc": directory / "etc",
            "Dir::Etc::sourcelist": directory / "sources.list",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",
            # the sandbox's user could not write into our directories
            "APT::Sandbox::User": "root",
        }
        self._config = directory / "apt.conf"
        ours = "".join(f'{key} "{value}";\n' for key, value in settings.items())
        self._config.write_text(_host_connection() + ours)

    def download(self, package: str, what: str, *, alone: bool = False) -> list[Path]:
        """Fetch a package and, unless `alone`, all that it needs, verified.

        Tells on stderr that it fetches `what`, and shows the progress. Raises EmbeddedError.
        """
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        console.print(f"Fetching {what} from Debian, once for this user")
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            console=console,
            disable=not sys.stderr.isatty(),
        ) as progress:
            self._run("package lists", progress, ["update"])
            install = ["install", "--yes", "--download-only", package]
            self._run("packages", progress, ["download", package] if alone else install)
        return sorted((self._directory / "archives").glob("*.deb"))

    def _run(self, label: str, progress: Progress, arguments: list[str]) -> None:
        task = progress.add_task(label, total=100)
        read_end, write_end = os.pipe()
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            process = subprocess.Popen(
                ["apt-get", "--quiet=2", "--option", f"APT::Status-Fd={write_end}", *arguments],
                env={**os.environ, "APT_CONFIG": str(self._config), "LC_ALL": "C.UTF-8"},
                cwd=self._directory / "archives",  # where `download` writes
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(write_end,),
            )
            os.close(write_end)
            with os.fdopen(read_end, errors="replace") as status:
                _follow(status, progress, task)
            process.wait()
            output.seek(0)
            said = output.read().strip()
        # an update that fetched nothing ends with success and a warning
        if process.returncode or "\nE:" in "\n" + said or "\nW: Failed to fetch" in "\n" + said:
            raise EmbeddedError(f"apt-get {arguments[0]} failed:\n{said}")
        progress.update(task, completed=100)


def _host_connection() -> str:
    """What the host's own configuration says of proxies and certificates."""
    dumped = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False
    ).stdout
    wanted = ("Acquire::http::", "Acquire::https::")
    return "".join(line for line in dumped.splitlines(True) if line.startswith(wanted))


def _follow(status: IO[str], progress: Progress, task: TaskID) -> None:
    """Show `dlstatus:<n>:<percent>:<text>` lines until apt closes the pipe."""
    for line in status:
        fields = line.split(":", 3)
        if fields[0] == "dlstatus":
            progress.update(task, completed=float(fields[2]))


def _mirror(instead: str) -> str:
    """The archive's address: the setting, or the one that this Debian host itself uses."""
    if given := places.debian_mirror():
        return given
    targets = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in targets.splitlines():
        origin, label, address = line.split("|", 2)
        if (origin, label) == ("Debian", "Debian"):
            return address
    if address := _written_mirror():
        return address
    raise EmbeddedError(
        "the address of a Debian archive is not known here: set WATTLEDGER_DEBIAN_MIRROR to one;"
        f" or {instead}"
    )


def _written_mirror() -> str | None:
    """The archive in the host's sources, where apt has not been updated yet."""
    files = [
        Path("/etc/apt/sources.list"),
        *sorted(Path("/etc/apt/sources.list.d").glob("*.list")),
        *sorted(Path("/etc/apt/sources.list.d").glob("*.sources")),
    ]
    for file in files:
        if not file.exists():
            continue
        for word in file.read_text(errors="replace").split():
            if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                return word
    return None
