"""The values that fields of requests and responses have, as types.

`tests/client/test_options.py` compares them with the server's own.
"""

from typing import Any, Literal

from pydantic import GetCoreSchemaHandler

JobType = Literal["train", "generate", "import", "extract", "examine", "clean"]
JobStatus = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
WebhookEvent = Literal["job.running", "job.succeeded", "job.failed", "job.cancelled"]
Recipe = Literal["stream", "classic"]
Format = Literal["bundle", "pth"]
#: "high" is for keys that may.
Priority = Literal["low", "normal", "high"]
Order = Literal["asc", "desc"]
#: What a text is.
TextKind = Literal["prose", "list"]
TableFormat = Literal["csv", "tsv", "jsonl"]
#: Why a training ended, and why a text ends.
StopReason = Literal["completed", "early_stopped", "time_limit"]
FinishReason = Literal["length", "stop", "cancelled"]
#: Why a list of items ends.
ItemsFinishReason = Literal["count", "exhausted", "cancelled"]


class Open:
    """Metadata of a field with such a type: a newer server may send other values, which are accepted as they are."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Validate any string."""
        return handler.generate_schema(str)
