"""The calls of the HTTP API, one file a kind of thing."""

from web.api import corpora, document, events, health, jobs, models, orders, workers

#: Every group of calls, in the order of the document.
ALL = (corpora.api, orders.api, jobs.api, events.api, models.api, workers.api, health.api)

__all__ = ["ALL", "document"]
