"""Exit codes, and failures as one sentence that says what to do.

| code | meaning |
| --- | --- |
| 0 | success |
| 1 | the job failed or was cancelled; `up`, `demo`: the service failed; `backup` is incomplete; `rehearse` failed |
| 2 | wrong usage: an invalid option, a missing file, an ambiguous name |
| 3 | the server can't be reached or isn't ready |
| 4 | the server refused the request |
| 5 | there is no such job, model or text |
| 130 | interrupted by Ctrl-C |
| 141 | the program that read the output has ended |
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
from cli.terminal.console import make_console

#: For messages about a server that doesn't respond as Charloom does.
SET_URL = "--url or CHARLOOM_URL sets another address."


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
    """A command failed; the message is for the person who called it."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click declares it on the class and reads it from the instance

    def show(self, file: IO[str] | None = None) -> None:  # noqa: ARG002 (click passes none)
        """Print the message on standard error, wrapped at a terminal."""
        make_console(stderr=True).print(f"Error: {self.format_message()}")


def failure_from(error: CharloomError) -> Failure:
    """Turn an error of the client into a failure that says what to do."""
    message = _sentence(error)
    match error:
        case Unreachable():
            todo = f"Start it with `charloom up`. {SET_URL} `charloom doctor` looks for the cause."
            return Failure(f"{message} {todo}", Exit.UNREACHABLE)
        case Unavailable():
            return Failure(f"{message} `charloom doctor` looks for the cause.", Exit.UNREACHABLE)
        case Unauthorized():
            return Failure(f"{message} The key is read from CHARLOOM_API_KEY.", Exit.REFUSED)
        case TooManyRequests(retry_after_s=seconds) if seconds:
            return Failure(f"{message} Try again in {seconds:.0f} s.", Exit.REFUSED)
        case NotFound():
            return Failure(message, Exit.NOT_FOUND)
        case JobFailed() | Damaged():
            return Failure(message, Exit.JOB_FAILED)
        case ApiError(code="not_charloom"):
            return Failure(f"{message} {SET_URL}", Exit.UNREACHABLE)
        case ApiError():
            return Failure(_refusal(error), Exit.REFUSED)
    return Failure(message, Exit.USAGE)


def _refusal(error: ApiError) -> str:
    details = [
        f"{wrong.pointer}: {wrong.detail}" for wrong in error.errors if wrong.detail.rstrip(".") not in error.detail
    ]
    is_logged = error.status >= httpx.codes.INTERNAL_SERVER_ERROR and error.request_id
    request = f" The server logged it as request {error.request_id}." if is_logged else ""
    return "\n  ".join([_sentence(error) + request, *details])


def _sentence(error: CharloomError) -> str:
    message = str(error)
    return message if message.endswith((".", "!", "?")) else f"{message}."
