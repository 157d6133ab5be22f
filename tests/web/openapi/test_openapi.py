"""The OpenAPI document agrees with the routes, the routes with the contract, and the page with the document."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.requests.options import ClassicRequest, GenerateRequest, StreamRequest
from tests.web.world import World

#: The calls of the contract that this version has.
CONTRACT = {
    "POST /api/v1/corpora",
    "GET /api/v1/corpora",
    "GET /api/v1/corpora/{corpus_id}",
    "GET /api/v1/corpora/{corpus_id}/text",
    "DELETE /api/v1/corpora/{corpus_id}",
    "POST /api/v1/train-jobs",
    "POST /api/v1/estimates",
    "POST /api/v1/generate-jobs",
    "POST /api/v1/models/import",
    "GET /api/v1/jobs/{job_id}",
    "GET /api/v1/jobs",
    "POST /api/v1/jobs/{job_id}/cancel",
    "POST /api/v1/jobs/{job_id}/resume",
    "GET /api/v1/jobs/{job_id}/events",
    "GET /api/v1/jobs/{job_id}/metrics",
    "GET /api/v1/models",
    "GET /api/v1/models/{model_id}",
    "PATCH /api/v1/models/{model_id}",
    "DELETE /api/v1/models/{model_id}",
    "GET /api/v1/models/{model_id}/download",
    "GET /healthz",
    "GET /readyz",
    "GET /api/v1/workers",
}


@pytest.fixture
def document(world: World) -> Any:
    return world.http.get("/api/openapi.json").json


def calls_of(document: Any) -> set[str]:
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


def test_the_document_is_valid(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_has_every_call_of_the_contract_and_every_route(world: World, document: Any) -> None:
    served = {
        method + " " + re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("api_")
    }
    assert calls_of(document) == CONTRACT
    assert served == CONTRACT


@pytest.mark.parametrize("kind", [StreamRequest, ClassicRequest, GenerateRequest])
def test_the_document_has_every_option_with_its_limits_and_its_help(document: Any, kind: Any) -> None:
    told = document["components"]["schemas"][kind.__name__]
    assert set(told["properties"]) == set(kind.model_fields)
    assert all(field.get("description") for field in told["properties"].values())
    assert told["additionalProperties"] is False


def test_every_problem_is_told_as_one(document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (path, method, status)
            if "{" in path:
                assert "404" in operation["responses"], (path, method)
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                assert {"400", "413", "415", "422"} <= set(operation["responses"]), (path, method)


def test_the_page_for_people_tells_of_every_call_and_every_type(world: World, document: Any) -> None:
    page = world.http.get("/api/docs").text
    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="type-{name}"' in page
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert all(f'id="{link}"' in page for link in links)
    assert not re.search(r'(src|href)="(https?:)?//', page), "nothing from elsewhere"


def test_answers_have_the_fields_that_the_document_tells(world: World, document: Any) -> None:
    corpus_id = world.corpus()
    world.worker()
    model = world.model(corpus_id)
    job_id = world.train(corpus_id).json["id"]
    seen = {
        "Corpus": world.get(f"/corpora/{corpus_id}"),
        "Job": world.get(f"/jobs/{job_id}"),
        "Model": world.get(f"/models/{model.id}"),
        "WorkerPage": world.get("/workers"),
        "Problem": world.get("/nope"),
    }
    for name, answer in seen.items():
        assert set(answer.json) == set(document["components"]["schemas"][name]["properties"]), name
    assert json.loads(json.dumps(document)) == document
