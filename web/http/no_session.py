"""Flask's own session, always the same empty one: Charloom uses `web/security/sessions.py` instead."""

from flask import Flask
from flask.sessions import NullSession, SessionInterface
from flask.wrappers import Request

_NONE = NullSession()


class NoSession(SessionInterface):
    """Opens no session and saves none."""

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002  (Flask's signature)
        """Return the empty session, which refuses writes."""
        return _NONE
