"""A wheel carries everything that the installed command needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.places import MIGRATIONS, ROOT, SERVICE, SQL


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout; its build needs hatchling from PyPI."""
    out = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    built = subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--out-dir", out, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    [path] = out.glob("wattledger-*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (MIGRATIONS, "service/_bundled/migrations"),
        (SQL, "service/_bundled/sql"),
        (SERVICE, "service"),
    ],
    ids=["migrations", "sql", "service"],
)
def test_wheel_holds_the_same_bytes_as_the_checkout(
    wheel: zipfile.ZipFile, source: Path, target: str
):
    names = set(wheel.namelist())
    differing = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(source.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        for name in [f"{target}/{path.relative_to(source).as_posix()}"]
        if name not in names or wheel.read(name) != path.read_bytes()
    ]
    assert differing == []


@pytest.mark.slow
def test_wheel_bundles_the_order_in_which_definitions_are_applied(wheel: zipfile.ZipFile):
    assert "service/_bundled/sql/load_order" in wheel.namelist()


@pytest.mark.slow
def test_wheel_installs_the_command(wheel: zipfile.ZipFile):
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    assert "wattledger = service.cli:main" in wheel.read(name).decode()
