"""A world that requires keys, and both ways to sign in: a key, and the form."""

import re
from pathlib import Path
from typing import Any

from tests.web.world import Reply, World, settings_of

ANNA, BERT = "0123456789abcdef01234567", "bert-s.key_of~characters"
WRONG = "not-a-key-that-opens-it-{:02}"


def locked_world(redis_url: str, data_dir: Path, keys: str = f"anna:{ANNA},{BERT}", **changes: str) -> World:
    """Give an app that asks for a key."""
    return World(settings_of(redis_url, data_dir, **{"CHARLOOM_API_KEYS": keys} | changes))


def bearer(key: str = ANNA) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def token_in(page: str) -> str:
    """Return the token of a page's last form."""
    found: list[str] = re.findall(r'name="csrf_token" value="([0-9a-f]+)"', page)
    return found[-1]


def sign_in(world: World, key: str = ANNA, wanted: str = "/jobs", **options: Any) -> Reply:
    """Sign in by the form, as a browser does."""
    page = world.http.get(f"/login?next={wanted}", **options)
    form = {"csrf_token": token_in(page.text), "key": key, "next": wanted}
    return world.http.post("/login", data=form, **options)
