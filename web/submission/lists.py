"""Whether a text is trained on as a list: as requested, or as its upload recognized it."""

from functools import lru_cache
from pathlib import Path

from shared.errors import InvalidRequest
from shared.requests.options import ItemsOption, StreamRequest
from shared.text import text_stream
from shared.text.items import Items, tally
from shared.text.vocabulary import normalise
from shared.volume import Corpus
from web.services import Services


def resolve_items(services: Services, corpus: Corpus, request: StreamRequest) -> ItemsOption | None:
    """Return the `items` of a request. Raises InvalidRequest where the text has no two different items."""
    if "items" not in request.model_fields_set:
        return None if corpus.items is None else ItemsOption(separator=corpus.items.separator)
    if request.items is None:
        return None
    separator = normalise(request.items.separator, lowercase=False)
    found = corpus.items
    if found is None or found.separator != separator:
        found = _tally(services.volume.corpora.text_path(corpus.id), separator)
    if found.unique < 2:
        what = f"{found.count:,} equal items" if found.count > 1 else "a single item"
        raise InvalidRequest.at(
            "/items",
            f"with the separator {separator!r} the text is {what}, but a list needs two that differ; "
            "send another separator, or null to train on it as a text",
        )
    return request.items


@lru_cache(maxsize=64)
def _tally(path: Path, separator: str) -> Items:
    return tally(text_stream.read(path), separator)
