"""The web: JSON API, OpenAPI document, server-sent events and pages. Never imports torch or the worker."""

import os

# numpy's products are small here (web/submission/bases.py); threads would only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from web.app import create_app

__all__ = ["create_app"]
