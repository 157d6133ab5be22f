"""From a generate request to a queued job: its prompt chosen or fitted to the model, its seed made concrete."""

from shared import volume
from shared.errors import InvalidRequest, no_such
from shared.ids import seed_of
from shared.jobs.record import JobType, NewJob
from shared.requests.costs import writing_seconds
from shared.requests.recipes import RECIPES
from shared.requests.writing import GenerateRequest
from shared.text import prompt
from shared.text.vocabulary import BOM, Vocabulary
from web.services import Services
from web.submission.list_items import items_for
from web.submission.priorities import check_priority

#: Characters of a random passage where a model's request has no sequence length.
_PASSAGE = 100


def prepare(services: Services, request: GenerateRequest, job_id: str) -> NewJob:
    """Return the job of a generate request. Raises InvalidRequest where its model is unknown or its prompt unfit."""
    check_priority(services, request.priority)
    model = services.volume.models.find(request.model_id)
    if model is None:
        raise InvalidRequest.at("/model_id", no_such("model", request.model_id))
    seed = seed_of(job_id) if request.seed is None else request.seed
    corpus = services.volume.corpora.find(model.corpus_id) if model.corpus_id else None
    text = None if request.prompt is None else _fitted(request, model, request.prompt)
    items = None if request.items is None else items_for(request, model, text, has_corpus=corpus is not None)
    if text is None and items is None:
        text = _chosen(services, model, corpus, seed)
    stop = [fitted_to(model, one) for one in request.stop] if request.stop else None
    resolved = request.model_copy(update={"prompt": text, "seed": seed, "stop": stop, "items": items})
    return NewJob(
        id=job_id,
        type=JobType.GENERATE,
        params=resolved.model_dump(mode="json", exclude={"length"} if items else None),
        metadata=resolved.metadata,
        model_id=model.id,
        uses=(model.id, corpus.id) if corpus else (model.id,),
        max_attempts=services.settings.max_attempts,
        cost_seconds=writing_seconds(resolved),
    )


def fitted_to(model: volume.Model, sent: str) -> str:
    """Return a prompt, or a stop string, in the form of the text that the model learned from."""
    lowercase = bool(model.params.get("lowercase", True))
    return prompt.fitted(
        sent, Vocabulary(model.vocabulary), lowercase=lowercase, drop_bom=RECIPES[model.recipe].drops_bom
    )


def _chosen(services: Services, model: volume.Model, corpus: volume.Corpus | None, seed: int) -> str:
    """Choose a passage of the model's corpus by the seed."""
    if corpus is None:
        raise InvalidRequest.at(
            "/prompt", "prompt is missing, and the text that the model learned from is gone. Send one."
        )
    drop_bom = RECIPES[model.recipe].drops_bom
    return prompt.passage(
        services.volume.corpora.text_path(corpus.id),
        chars=corpus.chars - (drop_bom and corpus.preview.startswith(BOM)),
        length=model.params.get("seq_length") or _PASSAGE,
        seed=seed,
        lowercase=bool(model.params.get("lowercase", True)),
        drop_bom=drop_bom,
    )


def _fitted(request: GenerateRequest, model: volume.Model, sent: str) -> str:
    """Bring a prompt into the model's form, and deal with characters that the model never saw."""
    return prompt.prepare(
        sent,
        Vocabulary(model.vocabulary),
        lowercase=bool(model.params.get("lowercase", True)),
        drop_bom=RECIPES[model.recipe].drops_bom,
        unknown_chars=request.unknown_chars,
    )
