"""What the commands of `treeroll` share: the options that many of them take, and how a failure is told.

Exit codes: 0 done; 1 failed; 2 wrong use; 3 stopped, by a limit or a store that is out (resumable); 130 interrupted (resumable).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from rollouts.errors import DataError, UsageError

DEFAULT_ROOT = "data"

Config = Annotated[str, typer.Argument(help="A TOML file, or the bare name of a preset.", show_default=False)]
Run = Annotated[
    str | None, typer.Argument(help="The run's id; may be left out where the root holds one run.", show_default=False)
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override one setting; may be given again.")
]
Root = Annotated[str, typer.Option("--root", help="A directory, or s3://bucket/prefix.")]
ConfigRoot = Annotated[
    str | None, typer.Option("--root", help="Where to write; overrides storage.root.", show_default=False)
]
EndpointUrl = Annotated[
    str, typer.Option("--endpoint-url", help="Of a server that speaks the S3 protocol.", show_default=False)
]
RunId = Annotated[str | None, typer.Option("--run-id", help="The run's name; overrides run.id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]

Command = TypeVar("Command", bound=Callable[..., int])


def guarded(function: Command) -> Command:
    """Turn what a command raises into one line on standard error and the exit code of the contract."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            code = function(*args, **kwargs)
        except UsageError as error:
            code = _complain(error, 2)
        except DataError as error:
            code = _complain(error, 1)
        except KeyboardInterrupt:
            code = 130
        except BrokenPipeError:
            sys.stderr.close()
            code = 0
        raise typer.Exit(code)

    return wrapped  # type: ignore[return-value]


def _complain(error: Exception, code: int) -> int:
    Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
    return code


def print_rows(rows: list[tuple[str, str]]) -> None:
    width = max(len(heading) for heading, _ in rows)
    for heading, text in rows:
        print(f"{heading:<{width}}  {text}")
