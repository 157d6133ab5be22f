"""The OpenAPI document agrees with the routes, the routes with the contract, and the page with the document."""

import json
import re
from io import BytesIO
from typing import Any, get_args

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.ids import model_id_of
from shared.jobs.events import EventType
from shared.requests.options import ClassicRequest, StreamRequest, Webhook
from shared.requests.writing import GenerateRequest
from tests.web.world import API, World

#: The calls of the contract that this version has.
CONTRACT = {
    "POST /api/v1/corpora",
    "GET /api/v1/corpora",
    "GET /api/v1/corpora/{corpus_id}",
    "GET /api/v1/corpora/{corpus_id}/text",
    "GET /api/v1/corpora/{corpus_id}/vocabulary",
    "PATCH /api/v1/corpora/{corpus_id}",
    "POST /api/v1/corpora/join",
    "GET /api/v1/corpora/{corpus_id}/findings",
    "POST /api/v1/corpora/{corpus_id}/clean",
    "GET /api/v1/corpora/{corpus_id}/cleaning",
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
    "GET /api/v1/jobs/{job_id}/items",
    "GET /api/v1/models",
    "GET /api/v1/models/{model_id}",
    "PATCH /api/v1/models/{model_id}",
    "DELETE /api/v1/models/{model_id}",
    "GET /api/v1/models/{model_id}/download",
    "GET /healthz",
    "GET /readyz",
    "GET /api/v1/usage",
    "GET /api/v1/workers",
    "POST /api/v1/workers/{name}/drain",
    "POST /api/v1/workers/{name}/undrain",
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
    described = document["components"]["schemas"][kind.__name__]
    assert set(described["properties"]) == set(kind.model_fields)
    assert all(field.get("description") for field in described["properties"].values())
    assert described["additionalProperties"] is False


def test_every_operation_is_named_described_and_has_links_to_what_it_makes(document: Any) -> None:
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"].endswith("."), operation["operationId"]
            assert operation["description"], operation["operationId"]
            for status, answer in operation["responses"].items():
                ref = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
                if ref.rpartition("/")[2] in ("Job", "Corpus", "Model"):
                    assert {link["operationId"] for link in answer["links"].values()} <= set(names), status
    assert set(document["webhooks"]) == set(get_args(get_args(Webhook.model_fields["events"].annotation)[0]))
    assert document["info"]["license"]["identifier"] == "MIT"
    assert document["info"]["contact"]


def test_requests_name_no_defaults_and_responses_have_every_field(document: Any) -> None:
    # A generated client would send a default, and so keep the text from choosing a value.
    schemas = document["components"]["schemas"]
    for name in ("StreamRequest", "ClassicRequest", "GenerateRequest", "ModelPatch", "CorpusJoin", "Webhook"):
        fields = schemas[name]["properties"].values()
        assert not [field for field in fields if "default" in field], name
    assert "Default: 0.7." in schemas["GenerateRequest"]["properties"]["temperature"]["description"]
    for name in ("Corpus", "Job", "Model", "JobPage", "Metric", "Problem"):
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"]), name


def test_unions_have_a_discriminator(document: Any) -> None:
    schemas = document["components"]["schemas"]
    train = document["paths"]["/api/v1/train-jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for union, kinds in ((train, {"stream", "classic"}), (schemas["Event"], {kind.value for kind in EventType})):
        assert set(union["discriminator"]["mapping"]) == kinds
        assert {one["$ref"] for one in union["oneOf"]} == set(union["discriminator"]["mapping"].values())


def test_what_jobs_and_events_hold_is_what_the_document_says(world: World, document: Any) -> None:
    corpus_id = world.corpus()
    train, write = world.train(corpus_id).json["id"], world.write(world.model(corpus_id).id, n=2).json["id"]
    bundle = {"file": (BytesIO(b"bundle"), "bundle.zip")}
    imported = world.http.post(f"{API}/models/import", data=bundle).json["id"]
    claim = world.claim(train)
    losses = {"train_loss": 1.0, "validation_loss": None, "evaluation_loss": None, "evaluation_sum": None}
    figures = {"step": 1, "total_steps": 2, "epoch": 1, "total_epochs": 1, "fraction": 0.5}
    world.record(
        claim,
        (EventType.METRIC, {"step": 1, "epoch": 1, "seconds": 0.5, **losses}),
        (EventType.SAMPLE, {"step": 1, "epoch": 1, "text": "a", "prompt": "b", "temperature": 0.5}),
        (EventType.LOG, {"message": "a line"}),
        progress={**figures, "chars_per_second": None, "eta_seconds": None},
    )
    world.finish(claim, {"model_id": model_id_of(train), "stop_reason": "completed"})
    copied = {"longest": 2, "share": 0.5, "spans": [[0, 2]]}
    outputs = [{"index": 0, "text": "ab", "finish_reason": "length", "copied": copied}]
    claim = world.claim(write)
    world.record(
        claim,
        (EventType.TEXT, {"index": 0, "offset": 0, "delta": "ab"}),
        (EventType.ITEMS, {"offset": 0, "items": ["ab"]}),
    )
    world.finish(claim, {"prompt": "the", "outputs": [*outputs, {**outputs[0], "copied": None}], "seed": 1})
    world.fail(world.claim(imported))

    def check(schema: str, value: Any) -> None:
        whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        assert not [error.message for error in OAS31Validator(whole).iter_errors(value)], value

    kinds = set()
    for job_id, params, result in (
        (train, "StreamRequest", "TrainResult"),
        (write, "GenerateRequest", "GenerateResult"),
        (imported, "ImportParams", None),
    ):
        job = world.get(f"/jobs/{job_id}").json
        check("Job", job)
        check(params, job["params"])
        if result:
            check(result, job["result"])
        check("WebhookMessage", {"type": "job.failed", "timestamp": job["created_at"], "data": job})
        page = world.get(f"/jobs/{job_id}/events").json
        check("EventPage", page)
        kinds |= {event["type"] for event in page["data"]}
        check("Event", {"id": "1-0", "type": "reset", "data": job})
    assert kinds == {kind.value for kind in EventType} - {"reset"}


def test_every_problem_is_a_problem_document(document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (path, method, status)
            if "{" in path:
                assert "404" in operation["responses"], (path, method)
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                assert {"400", "413", "415", "422"} <= set(operation["responses"]), (path, method)


def test_the_page_for_people_lists_every_call_and_every_type(world: World, document: Any) -> None:
    page = world.http.get("/api/docs").text
    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="type-{name}"' in page
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert all(f'id="{link}"' in page for link in links)
    assert not re.search(r'(src|href)="(https?:)?//', page), "nothing from elsewhere"


def test_responses_have_the_fields_of_the_document(world: World, document: Any) -> None:
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
