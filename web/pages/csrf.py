"""CSRF tokens: a second protection in addition to the checks of Origin and Sec-Fetch-Site.

A cookie identifies the browser; the form's hidden field is that id and the session's, signed with the service's key
(signed double submit). So a form is valid for the browser and the session that it was served to.
"""

import hashlib
import hmac
import re
import secrets

from flask import Response, g, request
from werkzeug.datastructures import MultiDict

from web.http.compression import hold_token
from web.http.errors import Forbidden
from web.security import sessions
from web.security.cookies import cookie_name, set_cookie
from web.services import services

FIELD = "csrf_token"
_GOOD = re.compile(r"[0-9a-f]{32}")
#: Largest form without a file, bytes: a prompt of 100,000 characters, each up to twelve when escaped.
FORM_BYTES = 2 * 2**20


def token() -> str:
    """Return the token for a form of this page, which isn't compressed then."""
    hold_token()
    return _signed(_browser())


def form(*, max_bytes: int = FORM_BYTES, max_field_bytes: int = FORM_BYTES) -> MultiDict[str, str]:
    """Return the form that was posted. Raises Forbidden if it wasn't served to this browser."""
    request.max_content_length = max_bytes
    request.max_form_memory_size = max_field_bytes
    sent = request.form.get(FIELD, "")
    known = request.cookies.get(cookie_name(), "")
    if not _GOOD.fullmatch(known) or not hmac.compare_digest(sent.encode(), _signed(known).encode()):
        raise Forbidden("This form has expired, or cookies are off. Go back, reload the page and send the form again.")
    return request.form


def keep(response: Response) -> Response:
    """Set the cookie if the page has made a token for a new browser."""
    new = g.get("csrf_new")
    if new is not None:
        set_cookie(response, cookie_name(), new)
    return response


def _browser() -> str:
    known = request.cookies.get(cookie_name(), "")
    if _GOOD.fullmatch(known):
        return known
    if "csrf_new" not in g:
        g.csrf_new = secrets.token_hex(16)
    new: str = g.csrf_new
    return new


def _signed(browser: str) -> str:
    served_to = f"{browser}.{sessions.present_id()}"
    return hmac.new(services().secret.get(), served_to.encode(), hashlib.sha256).hexdigest()
