"""Idempotency keys: what makes it safe to ask for the same thing twice."""

import uuid


def key_header(key: str | None) -> dict[str, str]:
    """Give the header that names one wish; a fresh name where none is given."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}
