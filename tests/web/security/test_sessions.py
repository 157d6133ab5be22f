"""A session of the page begins with a key, serves the page alone, and ends."""

import re
import time
from dataclasses import replace
from itertools import count

import pytest

from shared.jobs.events import EventType
from tests.web.locked import ANNA, BERT, WRONG, bearer, locked_world, sign_in, token_in
from tests.web.world import API, World
from web.pages.login_page import own_path


def test_a_browser_is_sent_to_sign_in_and_back_to_where_it_wanted(locked: World) -> None:
    away = locked.http.get("/jobs?status=failed&type=train")
    assert (away.status_code, away.headers["Location"]) == (303, "/login?next=%2Fjobs%3Fstatus%3Dfailed%26type%3Dtrain")
    page = locked.http.get(away.headers["Location"])
    assert page.headers["Cache-Control"] == "no-store"
    assert 'value="/jobs?status=failed&amp;type=train"' in page.text
    answer = sign_in(locked, wanted="/jobs?status=failed")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs?status=failed")
    shown = locked.http.get("/jobs?status=failed")
    assert shown.status_code == 200
    assert "Sign out" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "x",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "https://evil.example/",
        "/\t/evil.example",
        "/a\r\nX: y",
        " /jobs",
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(wanted: str) -> None:
    assert own_path(wanted) == "/"


def test_the_session_s_cookie_is_kept_from_scripts_and_other_sites(locked: World) -> None:
    cookie = sign_in(locked).headers["Set-Cookie"]
    assert re.match(r"charloom_session_[0-9a-f]{8}=", cookie)
    for word in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=86400"):
        assert word in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert ANNA not in cookie


def test_over_https_the_cookie_is_for_https_and_this_very_host(locked: World) -> None:
    answer = sign_in(locked, base_url="https://charloom.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-charloom_session_")
    assert "Secure" in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert locked.http.get("/jobs", base_url="https://charloom.example").status_code == 200
    local = locked.http.get("/login", base_url="https://localhost:8000")
    assert "Strict-Transport-Security" not in local.headers, "it would bind every port of localhost"


def test_a_form_from_elsewhere_can_t_sign_anybody_in(locked: World) -> None:
    answer = locked.http.post("/login", data={"key": ANNA, "next": "/"})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_a_wrong_key_begins_no_session(locked: World) -> None:
    answer = sign_in(locked, key=WRONG)
    assert answer.status_code == 403
    assert "This key doesn" in answer.text
    assert WRONG not in answer.text
    assert "Set-Cookie" not in answer.headers
    assert locked.http.get("/jobs").status_code == 303


def test_a_session_of_one_host_is_known_on_the_others_and_after_a_start(locked: World, redis_url: str) -> None:
    sign_in(locked)
    other = locked_world(redis_url, locked.services.volume.folder)
    other.http._cookies.update(locked.http._cookies)
    assert other.http.get("/jobs").status_code == 200
    other.close()


@pytest.mark.parametrize("keys", [BERT, f"anna:{ANNA[::-1]},{BERT}"])
def test_a_session_ends_when_its_key_is_removed_or_changed(locked: World, redis_url: str, keys: str) -> None:
    sign_in(locked)
    other = locked_world(redis_url, locked.services.volume.folder, keys=keys)
    other.http._cookies.update(locked.http._cookies)
    assert other.http.get("/jobs").status_code == 303
    assert other.get("/jobs").status_code == 401
    other.close()


def test_a_session_ends_with_its_time(locked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(locked)
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 86_000)
    assert locked.http.get("/jobs").status_code == 200
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 86_500)
    assert locked.http.get("/jobs").status_code == 303


def test_who_signs_out_is_out_and_a_copied_cookie_with_them(locked: World) -> None:
    sign_in(locked)
    copied = dict(locked.http._cookies)
    token = token_in(locked.http.get("/workers").text)
    answer = locked.http.post("/logout", data={"csrf_token": token})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert locked.http.get("/jobs").status_code == 303
    locked.http._cookies.update(copied)
    assert locked.http.get("/jobs").status_code == 303


@pytest.mark.parametrize("busy", [False, True])
def test_an_open_event_stream_ends_with_its_session(locked: World, busy: bool) -> None:
    """Even one on which so much happens that it never pings."""
    locked.app.extensions["charloom"] = replace(locked.services, ping_s=0.05)
    sign_in(locked)
    token = token_in(locked.http.get("/workers").text)
    headers = {"Sec-Fetch-Site": "same-origin"}
    model_id = locked.model().id
    job_id = locked.http.post(
        f"{API}/generate-jobs", json={"model_id": model_id, "prompt": "the"}, headers=headers
    ).json["id"]
    claim = locked.claim(job_id)
    stream = iter(locked.http.get(f"{API}/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}).response)
    assert b"retry" in next(stream)
    assert b"queued" in next(stream)
    for _ in range(3):
        if busy:
            locked.record(claim, (EventType.LOG, {"message": "x"}))
        assert next(stream), "it goes on while the session does"
    assert locked.http.post("/logout", data={"csrf_token": token}).status_code == 303
    for number, _ in zip(count(), stream, strict=False):
        assert number < 500, "it doesn't end"
        if busy:
            locked.record(claim, (EventType.LOG, {"message": "x"}))


@pytest.mark.parametrize(
    ("path", "by_session", "by_key"),
    [
        ("/jobs", "no-store", "no-store"),
        (f"{API}/jobs", "no-store", "no-cache"),
        ("/models/{}/losses.csv", "no-store", "no-cache"),
        (f"{API}/models/{{}}/download", "no-store", "no-cache"),
    ],
)
def test_what_a_session_was_shown_is_not_stored(locked: World, path: str, by_session: str, by_key: str) -> None:
    path = path.format(locked.model().id)
    by_key_answer = locked.http.get(path, headers=bearer(), buffered=True)
    assert (by_key_answer.status_code, by_key_answer.headers["Cache-Control"]) == (200, by_key)
    sign_in(locked)
    answer = locked.http.get(path, buffered=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, by_session)


def test_signing_out_wants_its_form(locked: World) -> None:
    sign_in(locked)
    assert locked.http.get("/logout").status_code == 405
    assert locked.http.post("/logout").status_code == 403
    assert locked.http.get("/jobs").status_code == 200


def test_a_form_served_before_another_signed_in_is_not_taken(locked: World) -> None:
    sign_in(locked)
    old = token_in(locked.http.get("/workers").text)
    sign_in(locked, key=BERT)
    assert locked.http.post("/logout", data={"csrf_token": old}).status_code == 403


def test_a_forged_session_opens_nothing(locked: World) -> None:
    answer = sign_in(locked)
    name, value = answer.headers["Set-Cookie"].partition(";")[0].split("=", 1)
    for forged in ("", "x", value[:-2] + "xx", "x" + value, value.replace(".", "", 1), "é" * 40, "a" * 3000):
        locked.http.set_cookie(name, forged)
        assert locked.get("/jobs").status_code == 401, forged


OWN = [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}]
NOT_OWN: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9"},
]


@pytest.mark.parametrize("headers", OWN)
def test_the_page_s_own_scripts_call_the_api_by_the_session(locked: World, headers: dict[str, str]) -> None:
    sign_in(locked)
    assert locked.get("/jobs").status_code == 200
    assert locked.http.post(f"{API}/generate-jobs", json={}, headers=headers).status_code == 422


@pytest.mark.parametrize("headers", NOT_OWN)
def test_nobody_else_writes_by_the_session(locked: World, headers: dict[str, str]) -> None:
    sign_in(locked)
    answer = locked.http.post(f"{API}/generate-jobs", json={}, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


def test_a_program_with_a_key_needs_no_origin(locked: World) -> None:
    assert locked.http.post(f"{API}/generate-jobs", json={}, headers=bearer()).status_code == 422


def test_a_page_whose_session_is_over_says_so_where_something_was_sent(locked: World) -> None:
    answer = locked.http.post("/write", data={})
    assert (answer.status_code, answer.content_type) == (401, "text/html; charset=utf-8")
    assert "Sign in" in answer.text
