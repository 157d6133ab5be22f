"""With keys set, nobody comes in without one."""

import re
from pathlib import Path

import pytest

from tests.web.locked import ANNA, BERT, WRONG, bearer, locked_world, sign_in
from tests.web.world import API, World

PLACES = [
    ("get", f"{API}/jobs"),
    ("get", f"{API}/corpora"),
    ("post", f"{API}/corpora"),
    ("post", f"{API}/train-jobs"),
    ("get", f"{API}/workers"),
    ("get", f"{API}/jobs/job_{'0' * 26}/events"),
    ("delete", f"{API}/models/mod_{'0' * 26}"),
    ("options", f"{API}/jobs"),
    ("get", f"{API}/nope"),
    ("get", "/api/openapi.json"),
    ("get", "/api"),
]


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_program_without_a_key_is_answered_401_everywhere(locked: World, method: str, path: str) -> None:
    answer = getattr(locked.http, method)(path)
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert (answer.json["code"], answer.json["status"]) == ("unauthorized", 401)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="charloom"'


def test_every_rule_of_the_app_is_locked_but_the_few_that_are_named(locked: World) -> None:
    """So that a new page or call is locked without a word about it."""
    opened = set()
    for rule in locked.app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in sorted((rule.methods or set()) & {"GET", "POST", "DELETE", "PATCH"}):
            answer = locked.http.open(path, method=method, follow_redirects=False)
            sent_away = answer.status_code == 303 and answer.headers["Location"].startswith("/login")
            if not sent_away and answer.status_code != 401:
                opened.add(f"{method} {rule.rule}")
    assert opened == {
        "GET /healthz",
        "GET /readyz",
        "GET /login",
        "POST /login",
        "GET /static/<filename>",
        "GET /static/<version>/<filename>",
    }


@pytest.mark.parametrize("key", [ANNA, BERT])
def test_each_key_opens(locked: World, key: str) -> None:
    assert locked.get("/jobs", headers=bearer(key)).status_code == 200
    assert locked.http.get("/jobs", headers=bearer(key)).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        f"Bearer {ANNA}x",
        f"Bearer {ANNA[:-1]}",
        "Bearer",
        "Bearer ",
        f"Bearer {ANNA.upper()}",
        "Bearer anna",
        f"bearer {ANNA} x",
    ],
)
def test_a_wrong_key_is_distinguished_from_none(locked: World, sent: str) -> None:
    answer = locked.get("/jobs", headers={"Authorization": sent})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="charloom", error="invalid_token"'
    assert ANNA not in answer.text


def test_other_schemes_are_not_ours(locked: World) -> None:
    assert locked.get("/jobs", headers={"Authorization": f"Basic {ANNA}"}).status_code == 401
    sign_in(locked)
    assert locked.get("/jobs", headers={"Authorization": "Basic YTpi"}).status_code == 200


def test_a_key_in_the_address_opens_nothing(locked: World) -> None:
    for query in (f"api_key={ANNA}", f"access_token={ANNA}", f"key={ANNA}"):
        answer = locked.get(f"/jobs?{query}")
        assert answer.status_code == 401
        assert ANNA not in answer.text


def test_the_document_says_how_a_key_is_shown(locked: World) -> None:
    document = locked.http.get("/api/openapi.json", headers=bearer()).json
    [[name]] = [list(one) for one in document["security"]]
    scheme = document["components"]["securitySchemes"][name]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, methods in document["paths"].items():
        is_locked = path.startswith("/api/")  # /healthz and /readyz are open to all
        assert all(is_locked == ({"401", "429"} <= set(operation["responses"])) for operation in methods.values())


def test_with_no_keys_set_a_key_is_no_hindrance(world: World) -> None:
    assert world.get("/jobs", headers=bearer()).status_code == 200
    assert world.http.get("/login").headers["Location"] == "/"


def test_without_a_key_readiness_has_no_details(locked: World, tmp_path: Path) -> None:
    assert locked.http.get("/readyz").json["status"] == "ready"
    away = locked_world(f"unix://{tmp_path}/nobody.sock", tmp_path / "data")
    assert away.http.get("/readyz").json["detail"] == "redis"
    assert away.http.get("/readyz", headers=bearer(WRONG)).json["detail"] == "redis"
    assert "nobody.sock" in away.http.get("/readyz", headers=bearer()).text
    away.close()


def test_with_redis_away_a_right_key_opens_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    away = locked_world(f"unix://{tmp_path}/nobody.sock", tmp_path / "data")
    assert away.get("/corpora", headers=bearer()).status_code == 200
    assert away.get("/corpora", headers=bearer(WRONG)).status_code == 401
    sign_in(away)
    assert away.http.get("/jobs").status_code == 503, "whether a session was ended can't be known"
    away.close()


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        ("", "anything.example", 200),
        ("charloom.example", "charloom.example:8000", 200),
        ("charloom.example", "other.example", 403),
        ("charloom.example", "localhost", 200),
    ],
)
def test_with_keys_any_name_will_do_until_some_are_set(
    redis_url: str, data_dir: Path, allowed: str, host: str, status: int
) -> None:
    world = locked_world(redis_url, data_dir, CHARLOOM_ALLOWED_HOSTS=allowed)
    assert world.get("/jobs", headers=bearer() | {"Host": host}).status_code == status
    world.close()


def test_keys_hold_where_anonymous_callers_are_allowed(redis_url: str, data_dir: Path) -> None:
    world = locked_world(redis_url, data_dir, CHARLOOM_ALLOW_ANONYMOUS="1")
    assert world.get("/jobs").status_code == 401
    world.close()
