"""What gunicorn says of requests that went wrong: that they did, and nothing of what they held."""

import logging

import pytest
from gunicorn.config import Config

from web.http.gunicorn_log import Quiet


def test_requested_addresses_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = Quiet(Config())
    log.error_log.propagate = True
    log.error_log.setLevel(logging.DEBUG)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("Error handling request %s %s", "GET", "/jobs?secret")
        log.exception("Socket error processing request.")
    log.debug("%s %s", "GET", "/secret")
    log.warning("Invalid request from ip=::1: Invalid HTTP Header: 'secret'")
    log.warning("Invalid request from ip=::1: Request Line is too large (5000 > 4094)")
    log.warning("%d workers", 2)
    log.error_log.propagate = False
    assert [record.getMessage() for record in caplog.records] == [
        "Error handling request",
        "Socket error processing request.",
        "A broken request from ::1: Invalid HTTP Header",
        "A broken request from ::1: Request Line is too large",
        "2 workers",
    ]
    assert caplog.records[0].exc_info
