"""Models: list, rename, download and delete them."""

from flask import Response

from shared.errors import InvalidRequest, NotFound
from shared.requests.edits import ModelPatch
from shared.requests.recipes import RECIPES
from shared.volume import Models
from web.http.conditional import check_preconditions, reply_file
from web.http.endpoints import API, ResponseSpec
from web.http.queries import DownloadQuery, ModelsQuery
from web.http.responses import (
    UNCHANGED,
    etag_of_view,
    file_name_of,
    json_response,
    reply,
    reply_empty,
    reply_versioned,
)
from web.http.schemas import Model as ModelView
from web.http.schemas import Page, page_of
from web.openapi.examples import PATCH
from web.services import services
from web.submission.cancellation import retire

api = API("models")

_MIMETYPES = {"bundle": "application/zip", "pth": "application/octet-stream"}
_ENDINGS = {"bundle": "zip", "pth": "pth"}
_IF_MATCH = {"If-Match": "An ETag: the change is made only to this version of the model; 412 otherwise."}


@api.call(
    "GET",
    "/models",
    query=ModelsQuery,
    responses={200: json_response("A page of models.", Page[ModelView])},
    problems=(422,),
)
def list_models(query: ModelsQuery) -> Response:
    """List the models.

    Newest first, unless `order` says otherwise; `after` takes the `last_id` of the page before; filtered by corpus.
    """
    models = services().volume.models
    found, has_more = models.list(
        after=query.after, limit=query.limit, newest_first=query.order == "desc", where=query.accepts
    )
    views = [ModelView.of(model, base=models.is_base(model.id), listed=True) for model in found]
    return reply(page_of(views, has_more=has_more))


@api.call(
    "GET",
    "/models/<model_id>",
    headers={"If-None-Match": UNCHANGED},
    responses={
        200: json_response("The model.", ModelView, "ETag"),
        304: ResponseSpec(description="It has not changed.", headers=("ETag",)),
    },
    problems=(404,),
)
def get_model(model_id: str) -> Response:
    """Get a model's name, sizes, options and losses.

    Its `ETag` is what `If-Match` of a change takes.
    """
    return reply_versioned(_view(services().volume.models, model_id))


@api.call(
    "PATCH",
    "/models/<model_id>",
    body=ModelPatch,
    examples=PATCH,
    headers=_IF_MATCH,
    responses={200: json_response("The model as it is now.", ModelView, "ETag")},
    problems=(400, 404, 412, 413, 415, 422),
)
def update_model(model_id: str, body: ModelPatch) -> Response:
    """Change a model's name or metadata, or make it a base.

    Fields that are left out stay as they are. With `If-Match`, the change is made only to the version with this ETag.
    """
    models = services().volume.models

    def check() -> None:
        check_preconditions(lambda: etag_of_view(_view(models, model_id)))
        if body.base and not RECIPES[models.get(model_id).recipe].has_bases:
            raise InvalidRequest.at("/base", "Only a stream model can be a base.")

    model = models.edit(model_id, name=body.name, metadata=body.metadata, base=body.base, check=check)
    return reply_versioned(ModelView.of(model, base=models.is_base(model_id)))


@api.call(
    "DELETE",
    "/models/<model_id>",
    headers=_IF_MATCH,
    responses={204: ResponseSpec(description="It is deleted.")},
    problems=(404, 409, 412),
)
def delete_model(model_id: str) -> Response:
    """Delete a model.

    409 while a live job uses it. Texts that it generated stay with their jobs.
    """
    here = services()

    def check() -> None:
        check_preconditions(lambda: etag_of_view(_view(here.volume.models, model_id)))
        retire(here, model_id)

    here.volume.models.delete(model_id, check=check)
    return reply_empty()


@api.call(
    "GET",
    "/models/<model_id>/download",
    query=DownloadQuery,
    headers={"Range": "A range of bytes of the file.", "If-Range": "An ETag: the range only if the file still has it."},
    responses={
        200: ResponseSpec(
            description="The file.",
            content={"application/zip": bytes, "application/octet-stream": bytes},
            headers=("ETag", "Content-Disposition"),
        ),
        206: ResponseSpec(description="The requested range.", headers=("ETag", "Content-Range")),
        304: ResponseSpec(description="It has not changed.", headers=("ETag",)),
    },
    problems=(404, 416, 422),
)
def download_model(model_id: str, query: DownloadQuery) -> Response:
    """Download a model as a file.

    A bundle, which can be imported again, or for classic models the seed document's .pth file. The ETag is the file's
    SHA-256. A range of bytes can be asked for, so a download that broke off can be resumed.
    """
    models = services().volume.models
    path, file = models.file(model_id, query.format)
    try:
        name = file_name_of(models.get(model_id).name) or "model"
        return reply_file(
            path,
            mimetype=_MIMETYPES[query.format],
            download_name=f"{name}-{model_id[-6:]}.{_ENDINGS[query.format]}",
            etag=file.sha256,
        )
    except FileNotFoundError as exc:
        raise NotFound(f"{model_id} has just been deleted.") from exc


def _view(models: Models, model_id: str) -> ModelView:
    return ModelView.of(models.get(model_id), base=models.is_base(model_id))
