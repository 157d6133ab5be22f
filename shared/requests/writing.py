"""The requests for text: the only place with the name, limits, default and help of each of their options."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.requests.fields import PRIORITY_HELP, Metadata, Priority, Request, Seed
from shared.text.items import MAX_SEPARATOR

#: Most characters of all items of a request together.
MAX_ITEMS_CHARS = 100_000_000

StopString = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Separator = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SEPARATOR)]


class WriteItems(Request):
    """Whole items of a list, instead of one text."""

    count: int = Field(ge=1, le=100_000, description="Number of items to write.")
    unique: bool = Field(True, description="Write each item once.")
    new: bool = Field(False, description="Leave out items that the training text has.")
    min_chars: int = Field(1, ge=1, le=10_000, description="Leave out shorter items.")
    max_chars: int = Field(
        1000, ge=1, le=10_000, description="Drop an item that hasn't ended after this many characters."
    )
    separator: Separator | None = Field(
        None, description="What ends an item; the model's own if omitted. Required if it wasn't trained on a list."
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> "WriteItems":
        if self.min_chars > self.max_chars:
            raise ValueError(f"need max_chars of at least min_chars, {self.min_chars:,}, not {self.max_chars:,}")
        if self.count * self.max_chars > MAX_ITEMS_CHARS:
            raise ValueError(
                f"may have {MAX_ITEMS_CHARS:,} characters together; count {self.count:,} times max_chars "
                f"{self.max_chars:,} is more"
            )
        return self


class GenerateRequest(Request):
    """A request to generate text with a model."""

    model_id: str = Field(description="The model to use.")
    prompt: str | None = Field(
        None,
        min_length=1,
        max_length=100_000,
        description="The text to continue; a random passage of the model's corpus if omitted. With items, the "
        "beginning of each item.",
    )
    length: int = Field(1000, ge=1, le=100_000, description="Number of characters to generate.")
    temperature: float = Field(
        0.7,
        ge=0,
        le=10,
        description="0 always takes the most likely character and tends to loop; 1 samples from the model's own "
        "distribution; higher values are more random.",
    )
    top_k: int | None = Field(None, ge=1, description="Sample from the k most likely characters only.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="Sample from the most likely characters that together have this probability."
    )
    max_run: int | None = Field(
        None,
        ge=0,
        le=100_000,
        description="Longest run of one character, blanks included; 0 for no limit. If omitted, about the longest in "
        "the model's corpus; none if that isn't known.",
    )
    stop: list[StopString] | None = Field(
        None, min_length=1, max_length=8, description="Stop before the first of these strings."
    )
    n: int = Field(1, ge=1, le=64, description="Number of variants.")
    items: WriteItems | None = Field(
        None, description="Write whole items of a list, instead of a text of `length` characters."
    )
    seed: Seed | None = Field(
        None, description="The same request with the same seed gives the same text; random if omitted."
    )
    priority: Priority = Field("normal", description=PRIORITY_HELP)
    unknown_chars: Literal["error", "drop"] = Field(
        "error", description="Whether to refuse a prompt with characters that the model doesn't know, or to drop them."
    )
    metadata: Metadata = Field(default_factory=dict, description="Up to 16 key-value pairs of your own.")
