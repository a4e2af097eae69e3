"""Programs that `make tools` installs. A test asks for them here, and has the marker `tools`.

`make test` needs Python alone. So that this holds on a machine that has all the programs, a test without the marker is refused
them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

PROGRAMS = frozenset({
    "alertmanager", "amtool", "curl", "docker-compose", "faketime", "go", "jq", "kustomize", "pgbouncer", "prometheus",
    "promtool", "systemd-analyze", "victoria-metrics",
})  # fmt: skip
PACKAGES = frozenset({"cyclonedx_py", "pipx", "sphinx"})
"""Python packages that `make test-all` installs and `make test` does not."""
OTHER_NAMES = {"alertmanager": "prometheus-alertmanager", "kustomize": "kubectl"}
"""What Debian calls a program, and which other program can do the same."""
FOLDERS = ("/usr/sbin", "/usr/local/go/bin")
"""Where programs are that are not on everybody's PATH."""


class ToolRefusedError(Exception):
    """A test without the marker `tools` asked for a tool."""


class ToolMissingError(Exception):
    """A tool is not installed."""


class _Access:
    """Whether tools may be asked for: by programs such as `tests.replay` always, by tests with the marker."""

    allowed = True


@contextmanager
def access(*, allowed: bool) -> Iterator[None]:
    """Allow or refuse tools while the block runs."""
    before, _Access.allowed = _Access.allowed, allowed
    try:
        yield
    finally:
        _Access.allowed = before


def check_access(name: str) -> None:
    """Raise ToolRefusedError unless tools may be asked for now."""
    if not _Access.allowed:
        raise ToolRefusedError(
            f"{name} is installed by `make tools`: mark the test that needs it with pytest.mark.tools"
        )


def tool(name: str) -> str:
    """Return the path of a program. Raises ToolRefusedError, or ToolMissingError where it is not installed."""
    assert name in PROGRAMS, f"{name} is not among the programs that scripts/install-tools installs"
    check_access(name)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *FOLDERS])
    found = shutil.which(name, path=path) or shutil.which(OTHER_NAMES.get(name, name), path=path)
    if found is None:
        raise ToolMissingError(f"{name} is not installed: run `make tools`")
    return found


def need_package(name: str) -> None:
    """Check that a Python package is there. Raises ToolRefusedError, or ToolMissingError where it is not."""
    assert name in PACKAGES, f"{name} is not among the packages that `make test-all` installs"
    check_access(name)
    if find_spec(name) is None:
        raise ToolMissingError(f"{name} is not installed: `make test-all` installs it")
