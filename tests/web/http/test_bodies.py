"""JSON bodies: whatever comes, a clear refusal or a job, never an error of ours; and nothing is left of a refusal."""

from typing import Any

import pytest

from tests.web.world import API, World, pointers

CORPUS = "cor_" + "0" * 26

MALFORMED: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "cut short": (b'{"corpus_id": "x"', 400),
    "not UTF-8": (b'{"corpus_id": "\xff"}', 400),
    "thousands of digits": (b'{"seed": ' + b"9" * 5000 + b"}", 400),
    "nested deeply": (b"[" * 100_000, 400),
    "nested deeply, whole": (b'{"corpus_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "an array": (b"[1]", 422),
    "a string": (b'"x"', 422),
    "null": (b"null", 422),
    "a field twice": (b'{"seed": 1, "seed": 2}', 422),
    "half a character in a name": (b'{"\\ud800": 1}', 422),
    "half a character in a name within": (b'{"metadata": {"\\udfff": "1"}}', 422),
}


@pytest.mark.parametrize(("body", "status"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("path", ["/train-jobs", "/generate-jobs"])
def test_what_is_no_json_object_is_refused(world: World, path: str, body: bytes, status: int) -> None:
    before = world.traces()
    answer = world.http.post(API + path, data=body, content_type="application/json")
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert world.traces() == before


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_another_media_type_is_refused(world: World, kind: str | None) -> None:
    answer = world.http.post(f"{API}/train-jobs", data=b"{}", content_type=kind)
    assert answer.status_code == 415
    assert "application/json" in answer.json["detail"]


def test_a_body_too_large_is_refused(world: World) -> None:
    answer = world.http.post(f"{API}/train-jobs", data=b'"' + b"x" * 3_000_000 + b'"', content_type="application/json")
    assert answer.status_code == 413
    assert answer.json["code"] == "too_large"


WRONG: dict[str, tuple[bytes, list[str], str]] = {
    "too large": (
        b'"hidden_size": 1000000000',
        ["/hidden_size"],
        "hidden_size is 1000000000, but must be at most 4096",
    ),
    "huge": (b'"seed": 1' + b"0" * 400, ["/seed"], "but must be at most 9223372036854775807"),
    "huge for a float": (b'"learning_rate": 1' + b"0" * 400, ["/learning_rate"], "but must be a number"),
    "too small": (b'"dropout": -0.1', ["/dropout"], "dropout is -0.1, but must be at least 0"),
    "at an open end": (b'"dropout": 1', ["/dropout"], "dropout is 1, but must be less than 1"),
    "at an open beginning": (b'"learning_rate": 0', ["/learning_rate"], "must be more than 0"),
    "NaN": (b'"dropout": NaN', ["/dropout"], "dropout is NaN, but must be"),
    "infinity": (b'"dropout": -Infinity', ["/dropout"], "dropout is -Infinity, but must be"),
    "infinite by digits": (b'"dropout": 1e999', ["/dropout"], "dropout is Infinity, but must be"),
    "NaN for a whole number": (b'"epochs": NaN', ["/epochs"], "whole number"),
    "a broken number": (b'"epochs": 1.5', ["/epochs"], "epochs is 1.5, but must be a whole number"),
    "a string for a number": (b'"epochs": "5"', ["/epochs"], 'epochs is "5", but must be a whole number'),
    "true for a number": (b'"epochs": true', ["/epochs"], "epochs is true, but must be a whole number"),
    "a number for true": (b'"lowercase": 1', ["/lowercase"], "lowercase is 1, but must be true or false"),
    "null for a default": (b'"epochs": null', ["/epochs"], "leave it out to get its default"),
    "unknown": (b'"speed": {"url": "http://x"}', ["/speed"], "speed is not a field of this request"),
    "a choice": (b'"precision": "double"', ["/precision"], "'auto', 'float32' or 'bfloat16'"),
    "a recipe": (b'"recipe": "soup"', ["/recipe"], '"stream" or "classic"'),
    "a recipe of another type": (b'"recipe": ["stream"]', ["/recipe"], '"stream" or "classic"'),
    "half a character": (b'"name": "\\ud800"', ["/name"], "half a character"),
    "NUL": (b'"name": "a\\u0000b"', ["/name"], "NUL"),
    "a long name": (b'"name": "' + b"x" * 201 + b'"', ["/name"], "name has 201 characters, but may have at most 200"),
    "a blank name": (b'"name": "  "', ["/name"], "empty"),
    "a value of metadata": (b'"metadata": {"a/b~c": 1}', ["/metadata/a~1b~0c"], "must be a string"),
    "half a character in metadata": (b'"metadata": {"a": "\\udc00"}', ["/metadata/a"], "half a character"),
    "many pairs": (b'"metadata": {' + b",".join(b'"%d": ""' % i for i in range(17)) + b"}", ["/metadata"], "17 items"),
    "two at once": (b'"epochs": 0, "layers": 9', ["/layers", "/epochs"], "layers is 9, but must be at most 8"),
}


@pytest.mark.parametrize(("fields", "places", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_named_with_its_place_and_its_limit(
    world: World, fields: bytes, places: list[str], words: str
) -> None:
    corpus_id = world.corpus()
    before = world.traces()
    body = b'{"corpus_id": "%s", %s}' % (corpus_id.encode(), fields)
    answer = world.http.post(f"{API}/train-jobs", data=body, content_type="application/json")
    assert answer.status_code == 422, answer.text
    assert pointers(answer) == places
    assert words in answer.json["detail"]
    assert words in answer.json["errors"][0]["detail"]
    assert world.traces() == before


#: Numbers as JSON writes them -> what the job takes for epochs; None: refused.
WHOLE = dict.fromkeys(("3", "3.0", "3e0", "0.3e1", "30e-1"), 3) | dict.fromkeys(("3.5", "1e999", "9007199254740993.0"))


@pytest.mark.parametrize("number", WHOLE)
def test_a_whole_number_is_one_however_it_is_written(world: World, number: str) -> None:
    corpus_id = world.corpus()
    body = f'{{"corpus_id": "{corpus_id}", "epochs": {number}, "learning_rate": 1.0}}'
    answer = world.http.post(f"{API}/train-jobs", data=body, content_type="application/json")
    if WHOLE[number] is None:
        assert (answer.status_code, pointers(answer)) == (422, ["/epochs"])
    else:
        assert (answer.status_code, answer.json["params"]["epochs"]) == (202, WHOLE[number])


def test_a_byte_order_mark_before_the_body_is_ignored(world: World) -> None:
    body = f'\ufeff{{"corpus_id": "{world.corpus()}"}}'.encode()
    assert world.http.post(f"{API}/train-jobs", data=body, content_type="application/json").status_code == 202
    twice = world.http.post(f"{API}/train-jobs", data=b"\xef\xbb\xbf" + body, content_type="application/json")
    assert twice.status_code == 400


@pytest.mark.parametrize("name", ["x{}", "x" * 200 + "{}", "{}" + "x" * 5000, "{}/~\u2028", "{}😀"])
def test_a_refusal_names_fifty_fields_at_most(world: World, name: str) -> None:
    count = min(10_000, 1_900_000 // (len(name) + 12))
    fields = ",".join(f'"{name.format(i)}":0' for i in range(count))
    body = f'{{"corpus_id": "{CORPUS}",{fields}}}'
    answer = world.http.post(f"{API}/train-jobs", data=body, content_type="application/json")
    assert (answer.status_code, len(answer.json["errors"])) == (422, 50)
    assert answer.json["detail"].endswith(f"And {count - 50:,} more.")
    assert len(answer.data) < 200_000
    query = "&".join(f"{i}=" for i in range(300))
    assert len(world.get(f"/jobs?{query}").json["errors"]) == 50


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"temperature": 10.1}, "/temperature"),
        ({"temperature": -1}, "/temperature"),
        ({"top_k": 0}, "/top_k"),
        ({"top_p": 0}, "/top_p"),
        ({"top_p": 1.5}, "/top_p"),
        ({"n": 65}, "/n"),
        ({"length": 0}, "/length"),
        ({"length": 100_001}, "/length"),
        ({"stop": []}, "/stop"),
        ({"stop": [""]}, "/stop/0"),
        ({"stop": ["a"] * 9}, "/stop"),
        ({"stop": ["a", "b" * 101]}, "/stop/1"),
        ({"stop": "a"}, "/stop"),
        ({"prompt": ""}, "/prompt"),
        ({"prompt": "a" * 100_001}, "/prompt"),
        ({"prompt": "a\0"}, "/prompt"),
        ({"seed": -1}, "/seed"),
        ({"seed": 2**63}, "/seed"),
        ({"unknown_chars": "keep"}, "/unknown_chars"),
    ],
)
def test_what_can_not_be_written_is_refused(world: World, options: dict[str, Any], place: str) -> None:
    model = world.model()
    before = world.traces()
    answer = world.write(model.id, **{"prompt": "the wind", **options})
    assert answer.status_code == 422, answer.text
    assert pointers(answer) == [place]
    assert world.traces() == before


@pytest.mark.parametrize("unknown", [CORPUS, "cor_../../../etc", "../x", "mod_x", "x" * 5000, "\u2028"])
def test_an_unknown_corpus_or_model_in_a_body_is_a_refused_value(world: World, unknown: str) -> None:
    before = world.traces()
    answer = world.train(unknown)
    assert (answer.status_code, pointers(answer)) == (422, ["/corpus_id"])
    answer = world.write(unknown, prompt="x")
    assert (answer.status_code, pointers(answer)) == (422, ["/model_id"])
    assert len(answer.json["detail"]) < 200
    assert world.traces() == before
