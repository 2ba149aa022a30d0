"""Who has a port: read from the kernel's tables, so that a taken port is told with the name of its holder."""

from pathlib import Path

LISTENING = "0A"


def holder(port: int) -> str:
    """`pid 4242 (python -m …)`, or what else can be said of who listens on a port of this machine."""
    pid = pid_of(port)
    return f"pid {pid} ({_command(Path('/proc') / str(pid))})" if pid else "another program"


def pid_of(port: int) -> int | None:
    """The process that listens on a port of this machine, where the kernel tells us."""
    inodes = _listening(port)
    pids = sorted(int(process.name) for process in Path("/proc").glob("[0-9]*") if inodes and _has(process, inodes))
    return next(iter(pids), None)  # the oldest: those it forked have its socket too


def _listening(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.is_file() else []:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _has(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in inodes for link in (process / "fd").iterdir())
    except OSError:
        return False


def _command(process: Path) -> str:
    try:
        return " ".join((process / "cmdline").read_bytes().decode(errors="replace").split("\0")).strip()[:80]
    except OSError:
        return "gone"
