"""What the caller stores, and what they may."""

from flask import Response

from web.http.endpoints import API
from web.http.responses import json_response, reply
from web.http.schemas import Quota, Usage
from web.services import services
from web.submission import quotas

api = API("usage")


@api.call("GET", "/usage", responses={200: json_response("The caller's usage.", Usage)})
def get_usage() -> Response:
    """Get what the caller stores and may store.

    The caller is the API key of the request; without keys, everybody. Live jobs count by what they will make.
    """
    found = quotas.usage(services())
    texts, models, size = (Quota.model_validate(used) for used in (found.texts, found.models, found.bytes))
    return reply(Usage(owner=found.owner, texts=texts, models=models, bytes=size))
