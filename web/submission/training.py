"""From a train request to a queued job: its corpus and its starting model looked up, every option made concrete."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from shared import volume
from shared.errors import InvalidRequest, no_such
from shared.ids import model_id_of, seed_of
from shared.jobs.record import JobType, NewJob, StartingPoint
from shared.requests.costs import training_seconds
from shared.requests.estimate import Estimate, Speed, estimate
from shared.requests.fit import fit, memory_bytes
from shared.requests.flops import parameters
from shared.requests.options import AUTO, AnyTrainRequest, ClassicRequest, StreamRequest
from shared.requests.webhook_urls import parse, refusal_of
from shared.settings import PREFIX
from shared.text import text_stream
from shared.text.vocabulary import Vocabulary, name_characters
from web.services import Services
from web.submission import bases
from web.submission.lists import resolve_items
from web.submission.priorities import check_priority

Training: TypeAlias = ClassicRequest | StreamRequest

#: What the weights of a model determine.
_FIXED = ("hidden_size", "layers", "embedding_size")

#: Bytes of a parameter in each file of a model.
_PARAMETER_BYTES = 4

_REQUEST: TypeAdapter[Training] = TypeAdapter(AnyTrainRequest)


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A train request with every option concrete, and what it trains on."""

    request: Training
    #: Characters of the text, as the recipe reads it.
    chars: int
    #: Distinct characters: the text's, and those of a model to start from.
    vocab_size: int
    starting_point: StartingPoint


def prepare(services: Services, request: Training, job_id: str) -> NewJob:
    """Return the job of a train request. Raises InvalidRequest where it doesn't fit its text or its model."""
    found = resolve(services, request, seed=seed_of(job_id))
    resolved, webhook = found.request, found.request.webhook
    return NewJob(
        id=job_id,
        type=JobType.TRAIN,
        # An older worker refuses a field that it doesn't know.
        params=resolved.model_dump(mode="json", exclude={"webhook": {"secret"} if webhook else True}),
        webhook_secret=webhook.secret.get_secret_value() if webhook and webhook.secret else None,
        metadata=resolved.metadata,
        model_id=model_id_of(job_id),
        starting_point=found.starting_point,
        uses=tuple(id_ for id_ in (resolved.corpus_id, resolved.init_from) if id_ is not None),
        max_attempts=services.settings.max_attempts,
        cost_seconds=training_seconds(resolved, found.chars, found.vocab_size),
        makes_bytes=_model_bytes(resolved, found.vocab_size),
    )


def resolve(services: Services, request: Training, *, seed: int) -> Resolved:
    """Resolve the request, with every option concrete: fitted to its text, named, seeded where it brings no seed."""
    _check_webhook(services, request)
    check_priority(services, request.priority)
    corpus = services.volume.corpora.find(request.corpus_id)
    if corpus is None:
        raise InvalidRequest.at("/corpus_id", no_such("corpus", request.corpus_id))
    if isinstance(request, StreamRequest):
        request = request.model_copy(update={"items": resolve_items(services, corpus, request)})
    if request.init_from == AUTO:
        resolved = _choose(services, request, corpus)
    elif request.init_from is None:
        resolved = _from_random(services, request, corpus, "random weights were asked for")
    else:
        model = _model_to_start_from(services, request, request.init_from)
        resolved = _from_model(services, request, corpus, model, StartingPoint(reason="this model was asked for"))
    fitted = resolved.request
    seed = seed if fitted.seed is None else fitted.seed
    concrete = fitted.model_copy(update={"name": fitted.name or corpus.name, "seed": seed})
    return replace(resolved, request=concrete)


def _choose(services: Services, request: Training, corpus: volume.Corpus) -> Resolved:
    """Resolve a request that leaves the choice to the service: a base where one helps, else random weights."""
    random = _from_random(services, request, corpus, "")
    packaged_bases = services.settings.packaged_bases
    base, why = bases.choose(services.volume, random.request, corpus, packaged_bases=packaged_bases)
    if base is None:
        return replace(random, starting_point=why)
    try:
        return _from_model(services, request, corpus, base, why)
    except InvalidRequest as exc:
        return replace(random, starting_point=replace(why, reason=f"{base.name} can't be used: {exc.detail}"))


def _from_random(services: Services, request: Training, corpus: volume.Corpus, reason: str) -> Resolved:
    chars, vocab_size = size_of(corpus, request)
    request = _REQUEST.validate_python(request.model_dump(exclude_unset=True) | {"init_from": None})
    return Resolved(
        request=fit_to(services, request, chars=chars, vocab_size=vocab_size),
        chars=chars,
        vocab_size=vocab_size,
        starting_point=StartingPoint(reason=reason),
    )


def _from_model(
    services: Services, request: Training, corpus: volume.Corpus, model: volume.Model, why: StartingPoint
) -> Resolved:
    request = _with_sizes_of(model, request)
    chars, _ = size_of(corpus, request)
    vocab_size = len(_vocabulary(services, corpus, request, model))
    bundle = model.files.get("bundle")
    return Resolved(
        request=fit_to(services, request, chars=chars, vocab_size=vocab_size),
        chars=chars,
        vocab_size=vocab_size,
        starting_point=replace(why, model_id=model.id, name=model.name, sha256=bundle.sha256 if bundle else None),
    )


def fit_to(services: Services, request: Training, *, chars: int, vocab_size: int) -> Training:
    """Return the request fitted to a text of this size, and to the workers' memory and speed. Raises InvalidRequest."""
    return fit(
        request,
        chars=chars,
        vocab_size=vocab_size,
        memory_limit_bytes=memory_limit(services),
        speeds=speeds(services),
    )


def size_of(corpus: volume.Corpus, request: Training) -> tuple[int, int]:
    """Return how many characters, and how many distinct ones, the request trains on: stream drops a leading U+FEFF."""
    return corpus.normalized_size(lowercase=request.lowercase, drop_bom=request.kind.drops_bom)


def estimate_training(services: Services, resolved: Resolved) -> Estimate:
    """Estimate a training that `resolve` returned, on the workers now seen. Queues nothing."""
    return estimate(
        resolved.request,
        chars=resolved.chars,
        vocab_size=resolved.vocab_size,
        memory_bytes=memory_bytes(resolved.request, resolved.chars, resolved.vocab_size),
        speeds=speeds(services),
    )


def speeds(services: Services) -> list[Speed]:
    """Return what the workers now seen have measured of themselves."""
    found = (Speed.of(worker.speed) for worker in services.store.workers.seen())
    return [speed for speed in found if speed is not None]


def memory_limit(services: Services) -> int | None:
    """Return the bytes that a job may take on any worker: as set, else on the smallest worker seen, else None."""
    if services.settings.job_memory_bytes:
        return services.settings.job_memory_bytes
    return min((worker.memory_bytes for worker in services.store.workers.seen()), default=None)


def _model_bytes(request: Training, vocab_size: int) -> int:
    """Return about how many bytes the model takes: its weights, and each file to download."""
    return _PARAMETER_BYTES * parameters(request, vocab_size) * (1 + len(request.kind.formats))


def _check_webhook(services: Services, request: Training) -> None:
    """Raise InvalidRequest if the webhook's messages couldn't be signed or delivered, as far as is known now."""
    if request.webhook is None:
        return
    if request.webhook.secret is None and services.settings.webhook_secret is None:
        raise InvalidRequest.at(
            "/webhook/secret",
            f"webhook.secret is missing, and this service has none of its own ({PREFIX}WEBHOOK_SECRET) to sign "
            "messages with; send whsec_ and 24 to 64 random bytes in base64",
        )
    why_not = refusal_of(parse(request.webhook.url), services.settings.webhook_networks)
    if why_not is not None:
        raise InvalidRequest.at("/webhook/url", f"webhook.url can't be called: {why_not}")


def _model_to_start_from(services: Services, request: Training, model_id: str) -> volume.Model:
    model = services.volume.models.find(model_id)
    if model is None:
        raise InvalidRequest.at("/init_from", no_such("model", model_id))
    if model.recipe != request.recipe:
        raise InvalidRequest.at(
            "/init_from",
            f"{model_id} is of the recipe {model.recipe!r}; a {request.recipe} training can't start from it.",
        )
    return model


def _with_sizes_of(model: volume.Model, request: Training) -> Training:
    """Take the model's sizes, and its lower case if that is left out; given sizes must agree."""
    given = request.model_dump(exclude_unset=True)
    # The characters of classic's models are fixed, and so is their case.
    names = _FIXED if request.kind.has_embedding else (*_FIXED, "lowercase")
    fixed: dict[str, Any] = {name: model.params[name] for name in names if name in model.params}
    for name, value in fixed.items():
        if name in given and given[name] != value:
            raise InvalidRequest.at(
                f"/{name}", f"{name} is {given[name]}, but {model.id} has {value}; leave it out to take the model's"
            )
    lowercase = {"lowercase": model.params["lowercase"]} if "lowercase" in model.params else {}
    return _REQUEST.validate_python({"recipe": request.recipe} | lowercase | given | fixed | {"init_from": model.id})


def _vocabulary(services: Services, corpus: volume.Corpus, request: Training, model: volume.Model) -> Vocabulary:
    """Return the characters of a training that starts from a model: those of `stream` are extended by the text's."""
    known = Vocabulary(model.vocabulary)
    text = services.volume.corpora.text_path(corpus.id)
    found = characters_of(text, lowercase=request.lowercase, drop_bom=request.kind.drops_bom)
    if not any(character in known for character in found if not character.isspace()):
        raise InvalidRequest.at(
            "/init_from", f"The text and {model.id} have no character in common. Start from random weights."
        )
    unknown = found.difference(known.characters)
    if unknown and not request.kind.has_embedding:
        raise InvalidRequest.at(
            "/init_from",
            f"The text has characters that {model.id} never saw: {name_characters(''.join(sorted(unknown)))}. "
            "Classic models can't be extended: start from random weights, or remove them from the text.",
        )
    return Vocabulary.of(known.characters + "".join(unknown))


@lru_cache(maxsize=64)
def characters_of(text: Path, *, lowercase: bool, drop_bom: bool) -> frozenset[str]:
    """Return the distinct characters of a stored text, as a recipe reads it."""
    found: set[str] = set()
    for part in text_stream.normalized_chunks(text_stream.read(text), lowercase=lowercase, drop_bom=drop_bom):
        found.update(part)
    return frozenset(found)
