"""Flask's own session, which Charloom doesn't use (`web/security/sessions.py` is ours): always the same empty one."""

from flask import Flask
from flask.sessions import NullSession, SessionInterface
from flask.wrappers import Request

_NONE = NullSession()


class NoSession(SessionInterface):
    """Opens no session and saves none."""

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002  (Flask's signature)
        """Return the empty one; whoever writes to it is told that there is none."""
        return _NONE
