"""CPU seconds and memory of processes, as Linux tells them in /proc."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process: CPU seconds of its own and of the children it has reaped; its greatest resident memory so far, and now."""

    pid: int
    parent: int
    cpu: float
    command: str = ""
    peak_bytes: int = 0
    bytes: int = 0


def parse_stat(text: str) -> Process:
    """A line of /proc/PID/stat. The name, in brackets, may hold blanks and brackets itself."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    ticks = sum(int(field) for field in fields[11:15])  # utime, stime, and both again of reaped children
    return Process(pid=int(head.split(" ", 1)[0]), parent=int(fields[1]), cpu=ticks * TICK)


def parse_memory(text: str) -> tuple[int, int]:
    """The greatest and the present resident memory in bytes, from /proc/PID/status; 0 for a process that has none any more."""
    found = {name: value for name, _, value in (line.partition(":") for line in text.splitlines())}
    peak, present = (int(found.get(name, "0").split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))
    return peak, present


def tree(root: int, processes: Mapping[int, Process]) -> list[Process]:
    """A process and everything below it, parents before their children."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found = [processes[root]] if root in processes else []
    for process in found:
        found.extend(children.get(process.pid, []))
    return found


def roles(family: Iterable[Process], marks: Mapping[str, str]) -> dict[int, str]:
    """The role of each process by pid: that of the first mark in its command line, else its parent's, else `other`."""
    found: dict[int, str] = {}
    for process in family:
        own = next((role for mark, role in marks.items() if mark in process.command), None)
        found[process.pid] = own or found.get(process.parent, "other")
    return found


def cpu_by_role(family: Iterable[Process], marks: Mapping[str, str]) -> dict[str, float]:
    """CPU seconds of each role."""
    family = list(family)
    found = roles(family, marks)
    seconds: dict[str, float] = {}
    for process in family:
        role = found[process.pid]
        seconds[role] = seconds.get(role, 0.0) + process.cpu
    return seconds


def peak_by_role(family: Iterable[Process], marks: Mapping[str, str]) -> dict[str, int]:
    """The greatest resident memory that any one process of each role has had, in bytes."""
    family = list(family)
    found = roles(family, marks)
    peaks: dict[str, int] = {}
    for process in family:
        role = found[process.pid]
        peaks[role] = max(peaks.get(role, 0), process.peak_bytes)
    return peaks


def running() -> dict[int, Process]:
    """Every process there is, by pid."""
    found = {}
    for entry in PROC.glob("[0-9]*"):
        try:
            process = parse_stat((entry / "stat").read_text(errors="replace"))
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            memory = parse_memory((entry / "status").read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        found[process.pid] = Process(process.pid, process.parent, process.cpu, command, *memory)
    return found


def cpu_of_tree(root: int) -> float:
    """CPU seconds of a process and everything below it, reaped children included."""
    return sum(process.cpu for process in tree(root, running()))
