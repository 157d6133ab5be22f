"""Lets all apps of a process share what werkzeug and Jinja compile for each: 85 routes and 30 templates.

Tests make an app each, and gunicorn makes one in each process that tests start: up to a second of the processor's time.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from shared.settings import load
from web import create_app


class _Memory(BytecodeCache):
    """Keeps templates' code by their names and sources."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the code, if it is known."""
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code."""
        self._kept[bucket.key, bucket.checksum] = bucket.code


def install() -> None:
    """Share them from now on."""
    if Flask.jinja_options:
        return
    Flask.jinja_options = {"bytecode_cache": _Memory()}
    compile_builder, kept = Rule._compile_builder, dict[tuple[Any, ...], Callable[..., tuple[str, str]]]()

    def compile_once(rule: Any, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:  # they are compiled in
            return compile_builder(rule, append_unknown)
        key = (rule.rule, *rule._trace, append_unknown)
        if key not in kept:
            kept[key] = compile_builder(rule, append_unknown)
        return kept[key]

    Rule._compile_builder = compile_once  # type: ignore[assignment, method-assign]


def compile_all() -> None:
    """Compile all that can be shared, for the processes that will be forked from this one."""
    install()
    for keys in ("", "someone:0123456789abcdef01234567"):
        app = create_app(load({"CHARLOOM_DATA_DIR": "/nowhere", "CHARLOOM_API_KEYS": keys}))
        for name in app.jinja_env.list_templates(extensions=["html"]):
            app.jinja_env.get_template(name)
        services = app.extensions["charloom"]
        services.event_hub.close()
        services.store.close()
