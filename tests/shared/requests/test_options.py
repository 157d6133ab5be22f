"""The limits of api.md, one by one, and the document's defaults."""

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.requests.options import AnyTrainRequest, ClassicRequest, StreamRequest
from shared.requests.writing import GenerateRequest

TRAIN: TypeAdapter[StreamRequest | ClassicRequest] = TypeAdapter(AnyTrainRequest)


def train(**options: Any) -> StreamRequest | ClassicRequest:
    return TRAIN.validate_python({"corpus_id": "cor_x", **options})


def test_stream_is_the_default() -> None:
    assert isinstance(train(), StreamRequest)


def test_classic_s_defaults_are_the_document_s() -> None:
    request = train(recipe="classic")
    values = (request.lowercase, request.seq_length, request.hidden_size, request.layers, request.dropout)
    assert values == (True, 100, 256, 1, 0.2)
    assert (request.batch_size, request.learning_rate, request.epochs) == (128, 1e-3, 20)
    assert (request.grad_clip, request.patience, request.precision) == (0, 0, "float32")


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("seed", 0, 2**63 - 1),
        ("epochs", 1, 10_000),
        ("hidden_size", 1, 4096),
        ("layers", 1, 8),
        ("batch_size", 1, 4096),
        ("seq_length", 1, 2048),
    ],
)
@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_whole_numbers_are_taken_within_their_limits_and_refused_beyond(
    recipe: str, field: str, least: int, most: int
) -> None:
    for value in (least, most):
        assert getattr(train(recipe=recipe, **{field: value}), field) == value
    for wrong in (least - 1, most + 1, 10**400, 1.5, "7", True, None if field != "seed" else -1):
        with pytest.raises(ValidationError):
            train(recipe=recipe, **{field: wrong})


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("dropout", [0, 0.99], [-0.01, 1]),
        ("learning_rate", [1e-9, 1], [0, 1.01]),
        ("validation_fraction", [0, 0.5], [-0.1, 0.51]),
    ],
)
def test_shares_and_rates_keep_their_limits(field: str, good: list[float], bad: list[float]) -> None:
    for value in good:
        assert getattr(train(**{field: value}), field) == value
    for wrong in [*bad, math.nan, math.inf, -math.inf, "0.1", None]:
        with pytest.raises(ValidationError):
            train(**{field: wrong})


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        train(hiden_size=3)


@pytest.mark.parametrize("recipe", ["rnn", None, 3, ["stream"], {}])
def test_a_recipe_that_isn_t_one_is_refused(recipe: object) -> None:
    with pytest.raises(ValidationError):
        train(recipe=recipe)


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\0b", "\ud800"])
def test_names_that_can_t_be_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        train(name=name)


def test_metadata_takes_sixteen_pairs_of_strings() -> None:
    pairs = {f"k{i}": "v" for i in range(16)}
    assert train(metadata=pairs).metadata == pairs
    for wrong in ({**pairs, "k16": "v"}, {"k": 1}, {"": "v"}, None):
        with pytest.raises(ValidationError):
            train(metadata=wrong)


@pytest.mark.parametrize(
    "options",
    [
        {"length": 0},
        {"length": 100_001},
        {"temperature": -0.1},
        {"temperature": 10.1},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 1.01},
        {"max_run": -1},
        {"max_run": 1.5},
        {"n": 0},
        {"n": 65},
        {"stop": []},
        {"stop": [""]},
        {"stop": ["x"] * 9},
        {"stop": ["x" * 101]},
        {"prompt": ""},
        {"prompt": "x" * 100_001},
        {"prompt": "\ud800"},
        {"prompt": "a\0"},
        {"unknown_chars": "keep"},
        {"length": None},
        {"temperature": math.nan},
    ],
)
def test_generate_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GenerateRequest.model_validate({"model_id": "mod_x", **options})


def test_null_means_omitted_where_there_is_no_default() -> None:
    request = GenerateRequest.model_validate({"model_id": "mod_x", "prompt": None, "seed": None, "top_k": None})
    assert (request.prompt, request.seed, request.top_k) == (None, None, None)
