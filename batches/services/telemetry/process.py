"""process: the names of this process, for people and for rows that no two processes share."""

import os
import socket
import uuid
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_MAX_HOST_CHARS = 64


def process_name() -> str:
    """Host and process id, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def process_identity() -> str:
    """A name that no two processes share, although containers may share a host name and process ids are used again.

    The name consists of the place (see `place`), the process id, and the start time of the process.
    """
    pid = os.getpid()
    return f"{place()}/{pid}/{started(pid) or _random(pid)}"


@cache
def place() -> str:
    """The place in which process ids are unique: the host, its boot and the namespace of process ids; else the host alone."""
    host = socket.gethostname()[:_MAX_HOST_CHARS]
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{host}/{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return host


@cache
def _random(pid: int) -> str:
    """A random name in place of an unknown start time. The process id is a parameter so that a forked process gets its own."""
    del pid
    return uuid.uuid4().hex


def started(pid: int) -> str:
    """The start time of a process of this place, in ticks since the boot; empty if there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
