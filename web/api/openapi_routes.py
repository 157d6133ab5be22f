"""The OpenAPI document and its page for people."""

import re

from flask import Blueprint, Response, current_app, render_template
from markupsafe import Markup, escape

from web.openapi.document import JSON_DOCUMENT, Document
from web.openapi.words import Schema, words_of

blueprint = Blueprint("document", __name__)


def document() -> Document:
    """Return the document of the current app."""
    found: Document = current_app.extensions[JSON_DOCUMENT]
    return found


@blueprint.get("/api/openapi.json")
def openapi() -> Response:
    """Send the document."""
    response = Response(document().json, content_type="application/json")
    response.set_etag(document().etag)
    return response


@blueprint.get("/api/docs")
def docs() -> str:
    """Show the document as a page."""
    return render_template("docs.html", document=document(), words_of=words_of, linked=_linked)


def _linked(schema: Schema) -> Markup:
    """Describe a schema in words; the types that it names link to their sections."""
    names = "|".join(document().data["components"]["schemas"])
    linked = re.sub(rf"\b({names})\b", r'<a href="#type-\1">\1</a>', str(escape(words_of(schema))))
    return Markup(linked)  # noqa: S704 (words are escaped, names are the document's)
