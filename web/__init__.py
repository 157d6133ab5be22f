"""The web: JSON API, OpenAPI document, server-sent events and pages. Never imports torch or the worker."""

from web.app import create_app

__all__ = ["create_app"]
