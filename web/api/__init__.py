"""The calls of the HTTP API, one file a kind of thing."""

from web.api import events, findings, health, items, jobs, models, openapi_routes, submissions, usage, workers

#: Every group of calls, in the order of the document.
ALL = (
    findings.api,
    submissions.api,
    jobs.api,
    events.api,
    items.api,
    models.api,
    usage.api,
    workers.api,
    health.api,
)

__all__ = ["ALL", "openapi_routes"]
