"""Java and the programs of Apache Kafka for tests, fetched where they are not here."""

from __future__ import annotations

import hashlib
import shutil
import ssl
import subprocess
from functools import cache
from pathlib import Path
from struct import pack

from filelock import FileLock

from service.embedded import places
from tests.support.packages import program, unpacked

KAFKA = "4.3.1"
_OLDEST_JAVA = 17
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_PROJECT = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>wattledger</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
<dependencies>
<dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version>
</dependency>
<dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{KAFKA}</version>
</dependency>
<dependency>
<groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
</dependency>
</dependencies>
</project>
"""


@cache
def command() -> tuple[str, ...]:
    """How to call Java: the host's, else Debian's. Raises EmbeddedError where neither is here."""
    if (found := shutil.which("java")) and _version(found) >= _OLDEST_JAVA:
        return (found,)
    tree = _debian()
    home = next(tree.glob("usr/lib/jvm/java-*-openjdk-*/bin/java")).parents[1]
    trusted = f"-Djavax.net.ssl.trustStore={tree / 'trusted'}"
    return (*program(tree, str((home / "bin/java").relative_to(tree))), trusted)


@cache
def kafka() -> Path:
    """The directory of the jars of Apache Kafka, fetched from Maven Central the first time.

    Raises EmbeddedError, CalledProcessError where they cannot be fetched.
    """
    root = places.cache_directory() / f"tests-kafka-{KAFKA}"
    places.make_directory(root.parent)
    with FileLock(f"{root}.lock"):
        if not (root / "complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            places.make_directory(root)
            (root / "pom.xml").write_text(_PROJECT)
            subprocess.run(
                [
                    *_maven(),
                    "--batch-mode",
                    "--quiet",
                    f"-Dmaven.repo.local={root / 'repository'}",
                    f"-DoutputDirectory={root / 'jars'}",
                    _COPY,
                ],
                cwd=root,
                check=True,
            )
            shutil.rmtree(root / "repository")
            (root / "complete").touch()
    return root / "jars"


def _maven() -> list[str]:
    if found := shutil.which("mvn"):
        return [found]
    tree = _debian()
    home = tree / "usr/share/maven"
    return [
        *command(),
        *("-cp", str(tree / "usr/share/java/plexus-classworlds.jar")),
        f"-Dclassworlds.conf={tree / 'etc/maven/m2.conf'}",
        f"-Dmaven.home={home}",
        f"-Dmaven.multiModuleProjectDirectory={home}",
        "org.codehaus.plexus.classworlds.launcher.Launcher",
    ]


@cache
def _debian() -> Path:
    """Debian's Maven and Java, which are not installed: nothing of them is outside their tree."""
    tree = unpacked("maven")
    with FileLock(f"{tree}.lock"):
        if not (tree / "trusted").exists():
            for link in [path for path in tree.rglob("*") if path.is_symlink()]:
                target = link.readlink()
                if target.is_absolute() and not target.is_relative_to(tree):
                    link.unlink()
                    link.symlink_to(tree / target.relative_to("/"))
            (tree / "trusted").write_bytes(_trusted())
    return tree


def _trusted() -> bytes:
    """The certificates that this host trusts, as Java's KeyStore (JKS) of version 2."""

    def text(value: str) -> bytes:
        return pack(">H", len(value)) + value.encode()

    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    content = pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, der in enumerate(certificates):
        content += pack(">I", 2) + text(str(number)) + pack(">Q", 0)
        content += text("X.509") + pack(">I", len(der)) + der
    # by which Java sees that it is whole
    salt = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"
    return content + hashlib.sha1(salt + content, usedforsecurity=False).digest()


def _version(java: str) -> int:
    """The major version, 0 where it does not tell."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    digits = said.partition('"')[2].partition(".")[0]
    return int(digits) if digits.isdecimal() else 0
