"""The workers seen lately."""

from flask import Response

from web.api.answers import json_answer, reply
from web.calls import API
from web.parts import parts
from web.views import Page, Worker, page_of

api = API("workers")


@api.call("GET", "/workers", answers={200: json_answer("The workers.", Page[Worker])})
def list_workers() -> Response:
    """List the workers seen lately: host, what each runs, cores, versions."""
    return reply(page_of([Worker.of(info) for info in parts().store.workers.seen()], key="name"))
