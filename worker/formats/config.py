"""config.json of a bundle: its content, and reading an untrusted one."""

from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
    field_validator,
)

from shared.errors import BadModelFile
from shared.jobs.rows import ModelLosses, first_error
from shared.requests.options import TRAIN_REQUESTS, TrainRequest
from shared.text.items import MAX_SEPARATOR, ModelItems
from worker.generation.loaded import Sizes

#: A vocabulary has at most as many characters as Unicode has code points.
MAX_CHARACTERS = 0x110000
#: Lists and objects that config.json may have, and values but the vocabulary. It needs four and some thirty; five
#: million empty lists in 15 MB took 1 GB.
MAX_PARTS = 100
#: Of config.json and of the bundle around it.
VERSION = 1
#: Options that are names, notes, addresses or ids of the service that made the model.
PRIVATE = frozenset({"corpus_id", "init_from", "name", "metadata", "webhook"})

_Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]


class Config(BaseModel):
    """config.json, without the sizes. Fields that a newer version has added are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    format: Literal["charloom-model"]
    version: Annotated[int, Field(ge=1)]
    #: Each character once, in the order of the indices.
    vocabulary: Annotated[list[_Character], FailFast(), Field(min_length=1, max_length=MAX_CHARACTERS)]
    params: dict[str, Any]
    losses: ModelLosses
    #: The list that it was trained on; older versions don't have it.
    items: ModelItems | None = None
    longest_runs: dict[_Character, Annotated[int, Field(ge=1)]] | None = None

    @field_validator("version")
    @classmethod
    def _known(cls, version: int) -> int:
        if version > VERSION:
            raise ValueError(f"{version} is of a newer Charloom; this one reads versions up to {VERSION}")
        return version

    @field_validator("vocabulary")
    @classmethod
    def _each_once(cls, vocabulary: list[str]) -> list[str]:
        if len(set(vocabulary)) != len(vocabulary):
            raise ValueError("has a character twice")
        return vocabulary

    @field_validator("items")
    @classmethod
    def _possible(cls, items: ModelItems | None) -> ModelItems | None:
        if items is not None and not (0 < len(items.separator) <= MAX_SEPARATOR and 0 < items.unique <= items.count):
            raise ValueError("is not a list")
        return items


def _options(request: type[TrainRequest]) -> type[BaseModel]:
    """Make a type of the options that a bundle may hold: those of the request and their limits, none required."""
    fields: dict[str, Any] = {}
    for name, field in request.model_fields.items():
        if name not in PRIVATE:
            optional = copy(field)
            optional.default, optional.default_factory = None, None
            fields[name] = field.annotation, optional
    config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)
    return create_model(f"{request.__name__}Options", __config__=config, **fields)


_OPTIONS = {name: _options(request) for name, request in TRAIN_REQUESTS.items()}
_SIZES = TypeAdapter(Sizes)


def sizes_of(params: Mapping[str, Any]) -> Sizes:
    """Return the sizes among a training's options. Raises BadModelFile where one is missing or out of range."""
    try:
        return _SIZES.validate_python(params)
    except ValidationError as exc:
        raise BadModelFile(first_error(exc)) from exc


def read_config(content: bytes) -> tuple[Sizes, Config, dict[str, Any]]:
    """Return the sizes, the rest, and those of its options that this version knows. Raises BadModelFile."""
    if content.count(b"[") + content.count(b"{") > MAX_PARTS or content.count(b",") > MAX_CHARACTERS + MAX_PARTS:
        raise BadModelFile("config.json holds more values than a model has")
    try:
        config = Config.model_validate_json(content)
        sizes = _SIZES.validate_json(content, strict=True)
        return sizes, config, _OPTIONS[sizes.recipe].model_validate(config.params).model_dump(exclude_unset=True)
    except ValidationError as exc:
        raise BadModelFile(f"config.json is not that of a Charloom model: {first_error(exc)}") from exc
