"""Options of the commands, each of which the environment may give too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from exporter.client import check_url

_ENVIRONMENT = "LEDGER_EXPORTER"

F = TypeVar("F", bound=Callable[..., Any])


def option(
    name: str,
    *names: str,
    command: str = "",
    **settings: Any,  # noqa: ANN401 - click's own settings
) -> Callable[[F], F]:
    """Declare an option that the environment may give too: `--log.level` as LEDGER_EXPORTER_LOG_LEVEL."""
    words = (_ENVIRONMENT, command, name.removeprefix("--").replace(".", "_").replace("-", "_"))
    variable = "_".join(filter(None, words)).upper()
    settings = {"envvar": variable, "show_envvar": True, "show_default": True, **settings}
    return click.option(name, *names, **settings)


def of_command(command: str) -> Callable[..., Callable[[F], F]]:
    """Return `option` for what is a command's own: `--window` of `report` is LEDGER_EXPORTER_REPORT_WINDOW.

    What is set for one command, perhaps with credentials, is nothing to another.
    """
    return partial(option, command=command)


def config_file() -> Callable[[F], F]:
    """Declare `--config.file`, as `config_path`."""
    return option(
        "--config.file",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("ledger-exporter.yml"),
        help="The configuration.",
    )


def server(
    option: Callable[..., Callable[[F], F]],
    url: str,
    parameter: str,
    prefix: str = "",
    **settings: Any,  # noqa: ANN401 - click's own settings
) -> Callable[[F], F]:
    """Declare the URL of a server to ask, and `--http.config.file`, as `http_config`, with its credentials.

    `option` is that of the command. The credentials of a second server have a prefix.
    """
    address = option(url, parameter, metavar="URL", callback=converted(check_url), **settings)
    credentials = option(
        f"--{prefix}http.config.file",
        f"{prefix.replace('-', '_')}http_config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Credentials and TLS for it, in the format of Prometheus's HTTP clients.",
    )
    return lambda function: address(credentials(function))


def web_config_file(purpose: str) -> Callable[[F], F]:
    """Declare `--web.config.file`, as `web_config`."""
    return option(
        "--web.config.file",
        "web_config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        help=purpose,
    )


def converted(convert: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that converts what an option says; a ValueError tells what is wrong with it."""

    def callback(_: click.Context, __: click.Parameter, value: Any) -> Any:  # noqa: ANN401 - click's own value
        try:
            if isinstance(value, tuple):
                return tuple(convert(each) for each in value)
            return None if value is None else convert(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback
