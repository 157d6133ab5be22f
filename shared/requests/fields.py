"""What the requests share: their base, and the fields that several of them have. The limits of these are here alone."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

#: Largest seed: 2**63 - 1, what torch and numpy both take.
MAX_SEED = 2**63 - 1

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)]
Priority = Literal["low", "normal", "high"]
PRIORITY_HELP = (
    "How soon its turn comes. low: after the caller's normal jobs, as if it took four times as long. high: apart from "
    "them, as if it took a quarter; only for keys that the operator has named."
)
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


class Request(BaseModel):
    """A request body. Unknown fields, numbers in strings, NaN and infinities are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _no_nul(cls, value: Any) -> Any:
        if _holds_nul(value):
            raise ValueError("contains a NUL character (U+0000); remove it")
        return value
