"""Runs the Lua scripts of `lua/`: loaded once, called by hash, with the table of transitions and the layout of keys."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from shared.jobs.record import SLOWNESS, TRANSITIONS, VERSION
from shared.store import keys
from shared.store.connection import Client, translated

#: Upper bounds of the buckets of all durations that are counted, seconds.
BOUNDS_S = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)

_FOLDER = Path(__file__).parent / "lua"


@cache
def _source(name: str) -> str:
    return (_FOLDER / "prelude.lua").read_text("utf-8") + (_FOLDER / f"{name}.lua").read_text("utf-8")


class Scripts:
    """Runs the scripts of `lua/` by name."""

    def __init__(self, client: Client, *, events_cap: int) -> None:
        self._client = client
        self._context = json.dumps(
            {
                "layout": dict(keys.LAYOUT),
                "transitions": {status: sorted(following) for status, following in TRANSITIONS.items()},
                "events_cap": events_cap,
                "job_version": VERSION.newest,
                "slowness": dict(SLOWNESS),
                "bounds_ms": [round(bound * 1000) for bound in BOUNDS_S],
            }
        )
        self._loaded: dict[str, Any] = {}

    def run(self, name: str, *arguments: str | int) -> Sequence[Any]:
        """Run `lua/<name>.lua` with these arguments (ARGV from 2 on) and return its reply.

        Raises:
            StoreUnavailable: Redis can't be reached or refuses.
        """
        script = self._loaded.get(name)
        if script is None:
            script = self._loaded[name] = self._client.register_script(_source(name))
        with translated():
            reply: Sequence[Any] = script(args=[self._context, *arguments])
        return reply
