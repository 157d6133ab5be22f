"""docs/api.md, the OpenAPI document and the errors in the code list the same statuses; every example is good."""

import re
import time
from typing import Any

import pytest
import standardwebhooks
from pydantic import TypeAdapter

from scripts.api_page import PAGE
from shared.errors import CharloomError
from shared.setting_forms import webhook_key
from tests.web.submission.test_webhooks import SECRET
from tests.web.world import World
from web import api
from web.http import schemas
from web.http.errors import BEFORE_A_CALL, CATALOGUE
from web.openapi import examples
from worker.webhooks.sender import sign

CALLS = [call for group in api.ALL for call in group.calls]


@pytest.fixture
def document(world: World) -> Any:
    return world.http.get("/api/openapi.json").json


def operations(document: Any) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_page_lists_for_each_call_the_statuses_of_the_document(document: Any) -> None:
    rows = re.findall(r"^\| `(\w+ /[^`]+)` \| (.*) \| ([\d ]+) \|$", PAGE.read_text(), re.MULTILINE)
    documented = {call: {*re.findall(r"\*\*(\d+)\*\*", good), *bad.split()} for call, good, bad in rows}
    assert documented == {name: set(operation["responses"]) for name, operation in operations(document).items()}


def test_the_page_lists_every_status_and_code_of_the_document(document: Any) -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    page = {(status, code): when for status, code, when, _ in rows}
    of_document = {
        (status, code): example["summary"]
        for operation in operations(document).values()
        for status, answer in operation["responses"].items()
        for code, example in answer.get("content", {}).get("application/problem+json", {}).get("examples", {}).items()
    }
    early = {((str(error.status), error.code), error.when) for error in BEFORE_A_CALL}
    assert page.items() - of_document.items() == early
    assert of_document.items() <= page.items()


def test_the_catalogue_has_every_error_that_a_response_can_carry() -> None:
    def all_below(kind: type[CharloomError]) -> set[type[CharloomError]]:
        return {kind}.union(*(all_below(below) for below in kind.__subclasses__()))

    raised = {(one.status, one.code) for one in all_below(CharloomError) if one.when}
    assert raised == {(one.status, one.code) for one in CATALOGUE}
    assert len(raised) == len(CATALOGUE)
    assert all(one.when and one.to_do for one in CATALOGUE)
    # An error without words of its own is never sent as such.
    assert {one.code for one in all_below(CharloomError) if not one.when and one.status != 500} == {"unavailable"}


def test_every_problem_has_an_example_for_each_code(document: Any) -> None:
    for name, operation in operations(document).items():
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            given = answer["content"]["application/problem+json"]["examples"]
            assert given, (name, status)
            for code, example in given.items():
                problem = schemas.Problem.model_validate(example["value"])
                assert (str(problem.status), problem.code) == (status, code)
            waits = status in ("429", "503") or "request_in_progress" in given
            assert waits == ("Retry-After" in answer.get("headers", {})), (name, status)


def test_every_body_and_every_answer_has_an_example_that_is_one(document: Any) -> None:
    for call in CALLS:
        for media_type, view in (
            (kind, view) for answer in call.responses.values() for kind, view in answer.content.items()
        ):
            example = examples.of_response(media_type, view)
            if view is not bytes:
                assert example, (call.name, media_type)
                TypeAdapter(view).validate_python(example)
        if call.body is not None:
            assert call.examples, call.name
            for example in call.examples.values():
                call.body.validate_python(example)
    for name, operation in operations(document).items():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or body["examples"], name


def test_the_snippet_that_verifies_a_message_does() -> None:
    snippet = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert snippet is not None
    names: dict[str, Any] = {}
    exec(snippet[1], names)  # noqa: S102 (our own page)
    secret, now, body = SECRET["CHARLOOM_WEBHOOK_SECRET"], int(time.time()), b'{"type":"job.failed"}'

    def headers(at: int = now) -> dict[str, str]:
        signature = sign(webhook_key(secret), "msg_1", at, body)
        return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{'A' * 43}= {signature}"}

    assert names["verify"](secret, headers(), body)
    assert not names["verify"](secret, headers(), body + b" ")
    assert not names["verify"](secret, headers(now - 3600), body)
    assert not names["verify"](secret, headers() | {"webhook-id": "msg_2"}, body)
    standardwebhooks.Webhook(secret).verify(body, headers())
