"""What the exit codes mean, and every failure of a command as one plain sentence with what to do.

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | the job failed or was cancelled; `up` and `demo`: the service can't be started or kept going |
| 2 | the command line is wrong: an option, a file that isn't there, a name that fits several |
| 3 | the server can't be reached, or isn't ready |
| 4 | the server refused |
| 5 | there is no such job, model or corpus |
| 130 | interrupted by Ctrl-C |
| 141 | whoever read the output has gone |
"""

from enum import IntEnum
from typing import IO

import click
import httpx

from charloom import (
    ApiError,
    CharloomError,
    Damaged,
    JobFailed,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from cli.terminal.console import make_console, printable


class Exit(IntEnum):
    """Exit codes of all commands."""

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    NOT_FOUND = 5
    INTERRUPTED = 130
    CLOSED = 141


class Failure(click.ClickException):
    """A command can't do what it was asked to."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click types it for a class and reads it from the error

    def show(self, file: IO[str] | None = None) -> None:  # noqa: ARG002 (click gives none)
        """Print it on standard error, broken between words at a terminal."""
        make_console(stderr=True).print(f"Error: {printable(self.format_message())}")


def failure_from(error: CharloomError) -> Failure:
    """Say what the client found, and what to do about it."""
    if isinstance(error, Unreachable):
        return Failure(
            f"{_sentence(error)} Start it with `charloom up`, or say where it is: --url, or CHARLOOM_URL. "
            "`charloom doctor` looks for the cause.",
            Exit.UNREACHABLE,
        )
    if isinstance(error, Unavailable):
        return Failure(f"{_sentence(error)} `charloom doctor` looks for the cause.", Exit.UNREACHABLE)
    if isinstance(error, Unauthorized):
        return Failure(f"{_sentence(error)} The key is read from CHARLOOM_API_KEY.", Exit.REFUSED)
    if isinstance(error, TooManyRequests) and error.retry_after_s:
        return Failure(f"{_sentence(error)} There is room again in {error.retry_after_s:.0f} s.", Exit.REFUSED)
    if isinstance(error, NotFound):
        return Failure(_sentence(error), Exit.NOT_FOUND)
    if isinstance(error, JobFailed | Damaged):
        return Failure(_sentence(error), Exit.JOB_FAILED)
    if isinstance(error, ApiError) and error.code == "not_charloom":
        return Failure(f"{_sentence(error)} Say where Charloom is: --url, or CHARLOOM_URL.", Exit.UNREACHABLE)
    if isinstance(error, ApiError):
        return Failure(_refusal(error), Exit.REFUSED)
    return Failure(_sentence(error), Exit.USAGE)


def _refusal(error: ApiError) -> str:
    untold = [wrong for wrong in error.errors if wrong.detail.rstrip(".") not in error.detail]
    logged = error.status >= httpx.codes.INTERNAL_SERVER_ERROR and error.request_id
    named = f" The server's log has it as request {error.request_id}." if logged else ""
    return "\n  ".join([_sentence(error) + named, *(f"{wrong.pointer}: {wrong.detail}" for wrong in untold)])


def _sentence(error: CharloomError) -> str:
    words = str(error)
    return words if words.endswith((".", "!", "?")) else f"{words}."
