"""What a generate request asks of the items of a list, checked against its model."""

from shared.errors import FieldError
from shared.requests.recipes import RECIPES
from shared.requests.writing import GenerateRequest, WriteItems
from shared.text.vocabulary import Vocabulary, name_characters, normalise
from shared.volume import Model
from web.http.validation import refused


def items_for(request: GenerateRequest, model: Model, prompt: str | None, *, has_corpus: bool) -> WriteItems:
    """Return the items of a request with their separator.

    Args:
        request: its `items` are set.
        model: the model.
        prompt: the request's prompt in the model's form, or None.
        has_corpus: whether the model's corpus is still there.

    Raises:
        InvalidRequest: another option contradicts them, or the model can't write them.
    """
    items = request.items
    if items is None:
        raise ValueError("the request has no items")
    separator = model.items.separator if model.items else None
    if items.separator is not None:
        separator = normalise(items.separator, lowercase=bool(model.params.get("lowercase", True)))
    errors = list(_contradictions(request))
    if RECIPES[model.recipe].is_windowed:
        errors.append(("/items", f"items can't be written by a {model.recipe} model, only by a stream model"))
    elif separator is None:
        errors.append(
            ("/items/separator", "items.separator is missing, and this model wasn't trained on a list. Send one")
        )
    else:
        errors += _misfits(items, separator, model, prompt)
    if items.new and not has_corpus:
        errors.append(
            (
                "/items/new",
                "items.new needs the model's training text, which isn't here: it was deleted, or the model imported",
            )
        )
    if errors:
        raise refused([FieldError(pointer=pointer, detail=detail) for pointer, detail in errors])
    return items.model_copy(update={"separator": separator})


def _contradictions(request: GenerateRequest) -> list[tuple[str, str]]:
    found = []
    if "length" in request.model_fields_set:
        found.append(("/length", "length can't be combined with items, which end on their own; see items.max_chars"))
    if request.n != 1:
        found.append(("/n", f"n is {request.n}, but must be 1 with items; items.count is their number"))
    if request.stop:
        found.append(("/stop", "stop can't be combined with items, which end at their separator"))
    return found


def _misfits(items: WriteItems, separator: str, model: Model, prompt: str | None) -> list[tuple[str, str]]:
    found = []
    if unknown := Vocabulary(model.vocabulary).unknown(separator):
        shown = name_characters(unknown)
        found.append(("/items/separator", f"items.separator has characters that the model never saw: {shown}"))
    if prompt is not None and separator in prompt:
        found.append(("/prompt", "prompt contains the separator of the items; it is the beginning of each item"))
    if prompt is not None and len(prompt) >= items.max_chars:
        chars = f"{len(prompt):,} characters, items.max_chars {items.max_chars:,}"
        found.append(("/prompt", f"prompt has {chars}; leave room for the rest of an item"))
    return found
