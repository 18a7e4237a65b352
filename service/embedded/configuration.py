"""The server's settings, each with its reason."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# what fits into the kernel's structure, less the closing zero
_LONGEST_SOCKET_PATH = 107


def configuration(port: int, sockets: Path, *, has_lz4: bool, overrides: Mapping[str, str]) -> str:
    """The text of wattledger.conf, which is written anew at every start."""
    chosen = [
        ("port", str(port), "chosen when the database was made, unless it is taken today"),
        ("listen_addresses", "127.0.0.1", "for this machine alone"),
        ("unix_socket_directories", _sockets(sockets, port), "none if its path is too long"),
        ("shared_preload_libraries", "timescaledb", "TimescaleDB must be there from the start"),
        ("timescaledb.telemetry_level", "off", "nothing leaves this machine"),
        ("fsync", "on", "an acknowledged reading survives a power cut"),
        ("synchronous_commit", "on", "likewise"),
        ("full_page_writes", "on", "likewise"),
        ("shared_buffers", _shared_buffers(), "an eighth of the memory, 1 GB at most: a laptop"),
        ("max_wal_size", "4GB", "checkpoints by time, not by volume, while readings stream in"),
        ("checkpoint_timeout", "15min", "fewer full pages in the WAL"),
        ("wal_compression", "lz4" if has_lz4 else "on", "those that remain are smaller"),
        ("max_slot_wal_keep_size", "8GB", "a standby that is away must not fill the disk"),
        ("jit", "off", "queries here are short, compiling them takes longer than they do"),
        ("max_connections", "200", "workers, tools and tests together"),
        ("max_worker_processes", "27", "16 for TimescaleDB's jobs, 8 for parallel queries, 3 more"),
        ("password_encryption", "scram-sha-256", "what pg_hba.conf asks for"),
        ("timezone", "UTC", "buckets are in UTC"),
        ("log_timezone", "UTC", "so that times in the log compare with those in the data"),
        ("logging_collector", "on", "a log in a file, which is rotated"),
        ("log_directory", "../log", "beside the data"),
        ("log_filename", "postgresql-%a.log", "one a week day, so that a week is kept"),
        ("log_truncate_on_rotation", "on", "likewise"),
        ("log_rotation_age", "1d", "likewise"),
        ("log_rotation_size", "0", "likewise"),
    ]
    lines = ["# Written at every start of the embedded database: changes here are lost."]
    for name, value, reason in chosen:
        if name not in overrides:
            lines.append(f"{name} = {_quoted(value)}  # {reason}")
    lines += [f"{name} = {_quoted(value)}  # asked for" for name, value in overrides.items()]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _sockets(directory: Path, port: int) -> str:
    longest = os.fsencode(directory / f".s.PGSQL.{port}.lock")
    if len(longest) > _LONGEST_SOCKET_PATH or '"' in str(directory):
        return ""
    return f'"{directory}"'  # a list, in which a comma or a space would part two directories


def _shared_buffers() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # a container may have less than its host
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return f"{max(16, min(1024, memory // 8 // 2**20))}MB"
