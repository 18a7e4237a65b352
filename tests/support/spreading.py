"""Which worker of xdist runs which tests: some share what takes long to start."""

from __future__ import annotations

from zlib import crc32

from xdist.scheduler import LoadScopeScheduling

# each takes some ten seconds of a core until it runs as fast as it can
_ENGINES = 2
# files whose tests need an engine though none is named for it
_ON_AN_ENGINE = ("tests/editions/test_community.py", "tests/editions/test_engine.py")
# three brokers of Kafka take ten seconds of a core, and three quarters of a gigabyte
_ON_BROKERS = "tests/buffer/"


class ByFileAndEngine(LoadScopeScheduling):
    """A file's tests go to one worker, the most ones first.

    Those on WebAssembly go to one of two, and those on brokers to one.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if "[webassembly" in nodeid or file.endswith(_ON_AN_ENGINE):
            return f"engine {crc32(file.encode()) % _ENGINES}"
        return _ON_BROKERS if file.startswith(_ON_BROKERS) else file
