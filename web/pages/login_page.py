"""The page to sign in with an API key, and the form to sign out."""

import re

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from web.http.errors import TooManyTries, Unauthorized
from web.pages import csrf
from web.security import sessions
from web.security.auth import LOGIN, LOGOUT, presented_key
from web.services import services

blueprint = Blueprint("login_page", __name__)

#: A path of this service: one slash, then nothing that a browser would read as another host or remove.
_OWN_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
#: Largest form, bytes: a key, a path and a token.
_FORM_BYTES = 16 * 1024


@blueprint.get(LOGIN)
def show() -> AnyResponse:
    """Show the form; without keys no sign-in is needed."""
    if not services().settings.api_keys:
        return redirect("/", 303)
    return _page(request.args.get("next", ""))


@blueprint.post(LOGIN)
def sign_in() -> AnyResponse:
    """Begin a session for a valid key, and go to the page that was asked for."""
    form = csrf.form(max_bytes=_FORM_BYTES, max_field_bytes=_FORM_BYTES)
    wanted = form.get("next", "")
    if not services().settings.api_keys:
        return redirect("/", 303)
    shown = form.get("key", "").strip()
    if not shown:
        return _page(wanted, error="Enter a key.", status=422)
    try:
        key = presented_key(shown)
    except Unauthorized as exc:
        return _page(wanted, error=exc.detail, status=403)
    except TooManyTries as exc:
        response = _page(wanted, error=exc.detail, status=429)
        response.headers["Retry-After"] = str(exc.retry_s)
        return response
    answer = make_response(redirect(own_path(wanted), 303))
    sessions.begin(answer, key)
    return answer


@blueprint.post(LOGOUT)
def sign_out() -> AnyResponse:
    """End the session."""
    csrf.form(max_bytes=_FORM_BYTES, max_field_bytes=_FORM_BYTES)
    answer = make_response(redirect(LOGIN, 303))
    sessions.end(answer)
    return answer


def own_path(wanted: str) -> str:
    """Return the path to go to after signing in: the one asked for if it is this service's, else the first page."""
    return wanted if _OWN_PATH.fullmatch(wanted) else "/"


def _page(wanted: str, *, error: str = "", status: int = 200) -> Response:
    page = render_template("login.html", next=own_path(wanted), error=error)
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response
