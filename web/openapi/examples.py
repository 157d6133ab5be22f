"""Examples of all requests and responses, for the OpenAPI document. A test validates each against its type."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from shared.errors import CharloomError, InvalidRequest, KeyReused
from shared.jobs.schemas import Job
from web.http import finding_schemas, schemas

_CORPUS, _JOB, _MODEL = (
    "cor_01m86z5k9q3c1f7e5x2y8n0v4a",
    "job_01m86z6zv2e5vq8r8b3z3w8k4d",
    "mod_01m86z6zv2e5vq8r8b3z3w8k4d",
)
_OTHER_CORPUS = "cor_01m86z4b7d2e9g6h5j1k3m8n0p"
_BASE = "mod_00000000004e3f6w5b9m2v8s7k"
_BASELINES = {"unigram": 3.012, "ngram": {"order": 6, "loss": 1.797}, "xz": 1.931}
_LOSSES = {
    "train_loss": 1.842,
    "validation_loss": 1.913,
    "best_loss": 1.913,
    "best_epoch": 4,
    "baselines": _BASELINES,
}
_EVENT = {"id": "1764000000000-0", "type": "metric", "data": {"step": 240, "epoch": 4, "validation_loss": 1.913}}
_STARTING_POINT = {
    "model_id": _BASE,
    "name": "English",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "reason": "English predicts a sample of the text with 1.68 nats per character, counts of letter pairs with 2.43",
    "loss": 1.6812,
    "pairs_loss": 2.4305,
}

TRAIN: Mapping[str, Any] = {
    "a minute of stream": {"corpus_id": _CORPUS, "max_seconds": 60, "metadata": {"who": "me"}},
    "from random weights": {"corpus_id": _CORPUS, "max_seconds": 60, "init_from": None},
    "in lower case": {"corpus_id": _CORPUS, "max_seconds": 60, "lowercase": True},
    "the seed document's recipe": {"corpus_id": _CORPUS, "recipe": "classic", "epochs": 5, "seed": 1},
    "a list, one item per line": {"corpus_id": _CORPUS, "items": {"separator": "\n"}},
    "with a webhook": {"corpus_id": _CORPUS, "webhook": {"url": "https://hooks.example.org/charloom"}},
}
GENERATE: Mapping[str, Any] = {
    "continue a prompt": {"model_id": _MODEL, "prompt": "There was a ", "length": 400, "temperature": 0.7},
    "three variants": {"model_id": _MODEL, "n": 3, "top_k": 20, "stop": ["\n\n"], "seed": 7},
}
CORPUS_PATCH: Mapping[str, Any] = {"a new name and a tag": {"name": "Pooh, cleaned", "metadata": {"language": "en"}}}
CLEAN: Mapping[str, Any] = {
    "what is advised": {"remedies": "advised"},
    "two remedies": {"remedies": ["licence", "hard-wraps"], "name": "Pooh without its licence"},
}
JOIN: Mapping[str, Any] = {"two texts": {"corpus_ids": [_CORPUS, _OTHER_CORPUS], "name": "Both books"}}
PATCH: Mapping[str, Any] = {"a new name": {"name": "Pooh, twelve epochs"}, "a base": {"base": True}}

#: Examples of responses, by their type.
VIEWS: Mapping[type[schemas.View], Mapping[str, Any]] = {
    schemas.Corpus: {
        "id": _CORPUS,
        "object": "corpus",
        "name": "Winnie-the-Pooh",
        "bytes": 151_020,
        "chars": 148_067,
        "lines": 4_201,
        "vocab_size": 94,
        "vocab_size_lowercase": 67,
        "encoding": "utf-8",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "preview": "Here is Edward Bear, coming downstairs now, bump, bump, bump,",
        "created_at": "2026-11-24T12:00:00.000Z",
        "column": None,
        "items": None,
        "metadata": {"language": "en"},
        "parent_id": None,
        "parent_ids": [],
        "source": None,
        "owner": "anna",
    },
    finding_schemas.Findings: {
        "object": "findings",
        "corpus_id": _CORPUS,
        "findings": [
            {
                "id": "licence",
                "title": "Licence and boilerplate at the ends",
                "detail": "What an archive or a publisher put before and behind the text: licences, copyright notices.",
                "count": 2,
                "chars": 19_624,
                "share": 0.132535,
                "cost": "13 % of the characters",
                "remedy": "licence",
                "advice": "Removes it; the text between stays as it is.",
                "advised": True,
                "examples": [
                    {
                        "offset": 129_414,
                        "length": 18_653,
                        "before": "\n\n",
                        "text": "*** END OF THE PROJECT GUTENBERG EBOOK WINNIE-THE-POOH ***",
                        "after": "",
                        "becomes": "",
                    }
                ],
            }
        ],
    },
    finding_schemas.Cleaning: {
        "object": "cleaning",
        "corpus_id": _OTHER_CORPUS,
        "parent_id": _CORPUS,
        "chars_before": 148_067,
        "chars_after": 128_299,
        "remedies": [
            {
                "remedy": "hyphens",
                "changes": 1,
                "removed": 10,
                "added": 9,
                "examples": [
                    {
                        "offset": 39_138,
                        "length": 10,
                        "before": "entombed in an ass's pack",
                        "text": "-\nsaddle. ",
                        "after": "Yet you",
                        "becomes": "-saddle.\n",
                    }
                ],
            }
        ],
    },
    schemas.Character: {"object": "character", "character": "e", "count": 11_402},
    Job: {
        "id": _JOB,
        "object": "job",
        "type": "train",
        "status": "running",
        "created_at": "2026-11-24T12:00:00.000Z",
        "started_at": "2026-11-24T12:00:01.250Z",
        "finished_at": None,
        "queue_position": None,
        "attempt": 1,
        "worker": "celery@loom-1",
        "parent_id": None,
        "request_id": "9f86d081884c7d65",
        "progress": {
            "step": 240,
            "total_steps": 1008,
            "epoch": 4,
            "total_epochs": 12,
            "fraction": 0.24,
            "chars_per_second": 48_210.5,
            "eta_seconds": 21.4,
        },
        "metrics": _LOSSES,
        "params": {"corpus_id": _CORPUS, "recipe": "stream", "hidden_size": 256, "epochs": 12, "seed": 7},
        "result": None,
        "error": None,
        "metadata": {"who": "me"},
        "starting_point": _STARTING_POINT,
        "links": {
            "self": f"/api/v1/jobs/{_JOB}",
            "events": f"/api/v1/jobs/{_JOB}/events",
            "cancel": f"/api/v1/jobs/{_JOB}/cancel",
            "model": None,
            "corpus": None,
        },
    },
    schemas.Estimate: {
        "parameters": 341_284,
        "steps": 1008,
        "seconds": 46.2,
        "memory_bytes": 451_000_000,
        "starting_point": _STARTING_POINT,
    },
    schemas.Metric: {
        "step": 240,
        "epoch": 4,
        "seconds": 9.8,
        "train_loss": 1.842,
        "validation_loss": 1.913,
        "evaluation_loss": None,
        "evaluation_sum": None,
    },
    schemas.Model: {
        "id": _MODEL,
        "object": "model",
        "name": "Winnie-the-Pooh",
        "recipe": "stream",
        "job_id": _JOB,
        "parent_model_id": None,
        "corpus_id": _CORPUS,
        "params": {"recipe": "stream", "hidden_size": 256},
        "vocab_size": 5,
        "vocabulary": "\n abt",
        "parameters": 341_284,
        "losses": {"train": 1.171, "validation": 1.602, "best_epoch": 11},
        "baselines": _BASELINES,
        "formats": ["bundle"],
        "bytes": 1_402_112,
        "created_at": "2026-11-24T12:01:00.000Z",
        "metadata": {},
        "items": None,
        "owner": "anna",
        "base": False,
        "starting_point": _STARTING_POINT,
    },
    schemas.ListItem: {"object": "item", "index": 0, "text": "Ruprecht", "logprob": -17.3051, "known": False},
    schemas.Worker: {
        "name": "celery@loom-1",
        "host": "loom-1",
        "cores": 2,
        "cpu_quota": 1.5,
        "threads": 1,
        "bfloat16": True,
        "kernel": "amx",
        "processor": "x86_64 GenuineIntel 6 207",
        "pid": 4711,
        "started_s": 1042.17,
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "running": [_JOB],
        "train_slots": 1,
        "generate_slots": 1,
        "draining": False,
        "volume_error": None,
        "seen_at": "2026-11-24T12:00:10.000Z",
    },
    schemas.Usage: {
        "object": "usage",
        "owner": "anna",
        "texts": {"stored": 12, "reserved": 0, "limit": 100},
        "models": {"stored": 18, "reserved": 2, "limit": 20},
        "bytes": {"stored": 96_400_112, "reserved": 2_804_224, "limit": 1_073_741_824},
    },
    schemas.Event: _EVENT,
    schemas.Health: {"status": "ok"},
    schemas.Readiness: {"status": "ready", "workers": 2},
}
MESSAGE: Mapping[str, Any] = {
    "type": "job.running",
    "timestamp": "2026-11-24T12:00:01.250Z",
    "data": VIEWS[Job],
}
#: Where the wrong values of an example are.
_POINTERS: Mapping[type[CharloomError], Sequence[str]] = {
    InvalidRequest: ("/epochs",),
    KeyReused: ("/Idempotency-Key",),
}
#: Examples of what isn't JSON, by its media type.
TEXTS: Mapping[str, str] = {
    "text/plain": "Here is Edward Bear, coming downstairs now, bump, bump, bump,\n",
    "text/csv": "step,epoch,seconds,train_loss,validation_loss,evaluation_loss,evaluation_sum\r\n"
    "240,4,9.8,1.842,1.913,,\r\n",
    "text/event-stream": "retry: 3000\n\nid: 1764000000000-0\nevent: metric\n"
    'data: {"step":240,"epoch":4,"validation_loss":1.913}\n\n',
}


def of_response(media_type: str, view: Any) -> Any:
    """Return an example of a response, or None if there is none of this type."""
    if view in VIEWS:
        return VIEWS[view]
    if isinstance(view, type) and issubclass(view, schemas.Page):
        (item,) = view.__pydantic_generic_metadata__["args"]
        named = VIEWS[item].get("id") or VIEWS[item].get("name")
        return {"object": "list", "data": [VIEWS[item]], "has_more": False, "first_id": named, "last_id": named}
    return TEXTS.get(media_type)


def of_error(error: type[CharloomError]) -> Mapping[str, Any]:
    """Return the problem document of an error."""
    detail = error.example or error.message()
    return {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": detail,
        "code": error.code,
        "request_id": "9f86d081884c7d65",
        "errors": [{"pointer": pointer, "detail": detail.rstrip(".")} for pointer in _POINTERS.get(error, ())],
    }
