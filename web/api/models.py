"""Models: list them, rename one, download one, delete one."""

import re

from flask import Response, send_file

from shared.errors import NotFound
from shared.requests.options import ModelPatch
from web.http.endpoints import API, ResponseSpec
from web.http.queries import DownloadQuery, ModelsQuery
from web.http.responses import json_answer, reply, reply_empty
from web.http.schemas import Model as ModelView
from web.http.schemas import Page, page_of
from web.openapi.examples import PATCH
from web.services import services

api = API("models")

_MIMETYPES = {"bundle": "application/zip", "pth": "application/octet-stream"}
_ENDINGS = {"bundle": "zip", "pth": "pth"}


@api.call(
    "GET",
    "/models",
    query=ModelsQuery,
    answers={200: json_answer("A page of models.", Page[ModelView])},
    problems=(422,),
)
def list_models(query: ModelsQuery) -> Response:
    """List the models."""
    found, has_more = services().volume.models.list(
        after=query.after, limit=query.limit, newest_first=query.order == "desc"
    )
    return reply(page_of([ModelView.of(model) for model in found], has_more=has_more))


@api.call("GET", "/models/<model_id>", answers={200: json_answer("The model.", ModelView)}, problems=(404,))
def get_model(model_id: str) -> Response:
    """Get what is known of a model."""
    return reply(ModelView.of(services().volume.models.get(model_id)))


@api.call(
    "PATCH",
    "/models/<model_id>",
    body=ModelPatch,
    examples=PATCH,
    answers={200: json_answer("The model as it is now.", ModelView)},
    problems=(400, 404, 413, 415, 422),
)
def edit_model(model_id: str, body: ModelPatch) -> Response:
    """Change a model's name or metadata; what is left out stays."""
    return reply(ModelView.of(services().volume.models.edit(model_id, name=body.name, metadata=body.metadata)))


@api.call("DELETE", "/models/<model_id>", answers={204: ResponseSpec(description="It is gone.")}, problems=(404, 409))
def delete_model(model_id: str) -> Response:
    """Delete a model. A live job that uses it forbids that."""
    here = services()
    here.volume.models.folder(model_id)
    here.store.jobs.retire(model_id)
    here.volume.models.delete(model_id)
    return reply_empty()


@api.call(
    "GET",
    "/models/<model_id>/download",
    query=DownloadQuery,
    headers={"Range": "A part of the file.", "If-Range": "An ETag: the part only where the file is still that one."},
    answers={
        200: ResponseSpec(
            description="The file.",
            content={"application/zip": bytes, "application/octet-stream": bytes},
            headers=("ETag", "Content-Disposition"),
        ),
        206: ResponseSpec(description="The part asked for.", headers=("ETag", "Content-Range")),
        304: ResponseSpec(description="It has not changed.", headers=("ETag",)),
    },
    problems=(404, 416, 422),
)
def download_model(model_id: str, query: DownloadQuery) -> Response:
    """Download a model: our bundle, or the document's file of a classic model. The ETag is its sha256."""
    models = services().volume.models
    path, file = models.file(model_id, query.format)
    try:
        return send_file(
            path,
            mimetype=_MIMETYPES[query.format],
            as_attachment=True,
            download_name=f"{_as_file_name(models.get(model_id).name)}-{model_id[-6:]}.{_ENDINGS[query.format]}",
            conditional=True,
            etag=file.sha256,
        )
    except FileNotFoundError as exc:
        raise NotFound(f"{model_id} has just been deleted.") from exc


def _as_file_name(name: str) -> str:
    """Make a name that every file system takes."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80] or "model"
