"""The programs the benchmark needs besides Python packages, and the machine it runs on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import click

from bench.errors import BenchError

PACKAGES = {"prometheus-sql-exporter": "prometheus-sql-exporter", "nginx": "nginx-light", "wrk": "wrk"}
"""The Debian package of each program."""

QUERY_EXPORTER_LOCK = Path(__file__).with_name("query-exporter.txt")
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_POLICY = Path("/usr/sbin/policy-rc.d")
_SYSTEM_FOLDERS = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/sbin"))


@cache
def program(name: str) -> str:
    """Return the path of a program.

    Raises:
        BenchError: it is not installed.
    """
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), _SYSTEM_FOLDERS)))
    if found is None:
        raise BenchError(f"{name} is not installed (Debian, Ubuntu: apt-get install {PACKAGES.get(name, name)})")
    return found


def install() -> None:
    """Install what is missing through apt, without starting a service.

    Raises:
        BenchError: there is no apt, or it failed; the message names what to install.
    """
    missing = []
    for name, package in PACKAGES.items():
        try:
            program(name)
        except BenchError:
            missing.append(package)
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise BenchError(f"the benchmark needs {', '.join(missing)}: install them and try again")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    click.echo(f"Installing {', '.join(missing)} with apt.", err=True)
    # A policy that forbids services to start stands for the time of the installation, unless there is one already.
    forbids = not _POLICY.exists()
    try:
        if forbids:
            _run([*sudo, "tee", str(_POLICY)], text="#!/bin/sh\nexit 101\n")
            _run([*sudo, "chmod", "+x", str(_POLICY)])
        _run([*sudo, "apt-get", "update", "-qq"])
        quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y", "--no-install-recommends"]
        _run([*sudo, *quiet, *missing])
    finally:
        if forbids:
            _run([*sudo, "rm", "-f", str(_POLICY)])


def query_exporter() -> Path:
    """Return the program query-exporter in a virtual environment of its own, made once and kept in the user's cache.

    Raises:
        BenchError: it cannot be installed.
    """
    lock = QUERY_EXPORTER_LOCK.read_text("utf-8")
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ledger-exporter" / "bench"
    folder = cache_folder / "query-exporter"
    made = folder / "made-from.txt"
    if not made.exists() or made.read_text("utf-8") != lock:
        click.echo(f"Installing query-exporter into {folder}.", err=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        _run([*pip, "--require-hashes", "-r", str(QUERY_EXPORTER_LOCK)])
        made.write_text(lock, "utf-8")
    return folder / "bin" / "query-exporter"


def _run(command: list[str], text: str | None = None) -> str:
    """Run a command to its end and return what it printed. Raises BenchError with its words where it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout + done.stderr


def version(command: list[str], *, status: int = 0) -> str:
    """Return what a program says of its version, on one line. `status` is the exit code it does so with."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines and done.returncode == status else "unknown"


def package_version(package: str) -> str:
    """Return the version of an installed Debian package, or `unknown`."""
    if shutil.which("dpkg-query") is None:
        return "unknown"
    return version(["dpkg-query", "--showformat=${Version}", "--show", package])


def machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, memory, system."""
    processor = platform.processor() or "unknown"
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    kibibytes = next((int(line.split()[1]) for line in _read("/proc/meminfo").splitlines() if "MemTotal" in line), 0)
    return {
        "processor": processor,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{kibibytes / 1024 / 1024:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""


def busy_share(seconds: float = 1.0) -> float:
    """Return which share of all cores was at work, or taken by other guests, during the next seconds: 0 to 1."""

    def ticks() -> tuple[int, int]:
        fields = [int(field) for field in _read("/proc/stat").splitlines()[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = ticks()
    time.sleep(seconds)
    total_then, idle_then = ticks()
    return 1 - (idle_then - idle) / max(1, total_then - total)


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process, in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchError(f"process {pid} has ended")


def cpu_seconds(pid: int) -> float:
    """Return how long a process has been at work so far, all its threads together."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError as error:
        raise BenchError(f"process {pid} has ended") from error
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drop_caches() -> bool:
    """Let the system forget all files it holds in memory; tell whether it was permitted."""
    os.sync()
    try:
        _DROP_CACHES.write_text("3\n", "ascii")
    except OSError:
        return False
    return True


def pin(pid: int, cores: set[int]) -> None:
    """Let all threads of a process run on these cores only."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)
