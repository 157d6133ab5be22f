"""No other site's page can use the service through a user's browser; every response has the security headers."""

import pytest

from tests.web.world import API, World, settings_of
from web.security.origin_checks import is_own_name

MALFORMED = [
    "evil.com@localhost",
    "[::1]evil.com",
    "localhost#x",
    "localhost:99999",
    "localhost:8000:1",
    "localhost/",
    "localhost?",
    "localhost\\x",
    "local host",
    "localhost:٣",
    "::1]x",
    "::1",
    "localhost, evil.com",
]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:",
        "localhost:8000",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "127.8.9.1:80",
        "[::1]",
        "[::1]:8000",
    ],
)
def test_loopback_names_are_its_own(host: str) -> None:
    assert is_own_name(host, [])


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "[::2]",
        "a@b",
        "[",
        *MALFORMED,
    ],
)
def test_other_names_are_not_unless_they_are_set(host: str) -> None:
    assert not is_own_name(host, ["charloom.example"])
    assert is_own_name("Charloom.example:443", ["charloom.example"])


@pytest.mark.parametrize("host", MALFORMED)
def test_a_malformed_host_is_a_malformed_request_with_keys_too(world: World, locked: World, host: str) -> None:
    for one in (world, locked):
        for path in (f"{API}/jobs", "/healthz"):
            answer = one.http.get(path, environ_overrides={"HTTP_HOST": host})
            assert (answer.status_code, answer.json["code"]) == (400, "malformed")


@pytest.mark.parametrize("path", [f"{API}/jobs", "/", "/api/docs", "/static/app.css", "/readyz"])
def test_a_strange_host_is_refused_everywhere(world: World, path: str) -> None:
    answer = world.http.get(path, headers={"Host": "rebound.example"}, buffered=True)
    assert answer.status_code == 403
    assert "CHARLOOM_ALLOWED_HOSTS" in answer.text


def test_the_rule_for_the_host_holds_with_anonymous_callers_allowed_too(redis_url: str, world: World) -> None:
    options = {"CHARLOOM_ALLOW_ANONYMOUS": "1", "CHARLOOM_ALLOWED_HOSTS": "web, charloom.example"}
    other = World(settings_of(redis_url, world.services.volume.folder, **options))
    assert other.get("/jobs", headers={"Host": "web:8000"}).status_code == 200
    assert other.get("/jobs", headers={"Host": "rebound.example"}).status_code == 403
    other.close()


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9999"},
    {"Origin": "file://"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", [f"{API}/generate-jobs", f"{API}/corpora", f"{API}/jobs/x/cancel", "/write", "/train"])
def test_a_write_from_elsewhere_is_refused(world: World, headers: dict[str, str], path: str) -> None:
    before = world.traces()[0]
    answer = world.http.post(path, json={}, headers=headers)
    assert answer.status_code == 403
    assert world.traces()[0] == before


OWN = [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]


@pytest.mark.parametrize("headers", OWN)
def test_a_write_from_its_own_pages_and_from_programs_is_taken(world: World, headers: dict[str, str]) -> None:
    assert world.http.post(f"{API}/generate-jobs", json={}, headers=headers).status_code == 422


@pytest.mark.parametrize("path", ["/", "/jobs", "/nope", "/api/docs", f"{API}/jobs", f"{API}/nope", "/healthz"])
def test_every_answer_has_the_headers_that_keep_it_to_itself(world: World, path: str) -> None:
    headers = world.http.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Cache-Control"] in ("no-cache", "no-store")


def test_every_request_has_a_name_and_a_good_one_is_kept(world: World) -> None:
    problem = world.get("/nope")
    assert problem.headers["X-Request-Id"] == problem.json["request_id"]
    assert len(problem.json["request_id"]) == 16
    assert world.get("/nope", headers={"X-Request-Id": "trace-1"}).json["request_id"] == "trace-1"
    assert world.get("/nope", headers={"X-Request-Id": "<b>" * 40}).json["request_id"] != "<b>" * 40


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("get", "/api", 404, "not_found"),
        ("get", "/api/", 404, "not_found"),
        ("get", "/api/v1", 404, "not_found"),
        ("get", f"{API}/jobs/", 404, "not_found"),
        ("get", f"{API}//jobs", 404, "not_found"),
        ("post", f"{API}/jobs/job_{'0' * 26}/resume", 404, "not_found"),
        ("post", f"{API}/guesses", 404, "not_found"),
        ("put", f"{API}/jobs", 405, "method_not_allowed"),
        ("delete", f"{API}/jobs/x", 405, "method_not_allowed"),
        ("post", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_no_error_under_api_is_html(world: World, method: str, path: str, status: int, code: str) -> None:
    answer = getattr(world.http, method)(path)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert set(answer.json) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert (answer.json["code"], answer.json["status"]) == (code, status)
    assert ("Allow" in answer.headers) == (status == 405)


def test_an_internal_error_reveals_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(world.services.store.jobs, "page", broken)
    answer = world.get("/jobs")
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert "secret" not in answer.text
    page = world.http.get("/jobs")
    assert (page.status_code, page.content_type) == (500, "text/html; charset=utf-8")
    assert "secret" not in page.text
