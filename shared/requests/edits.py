"""Changes to texts and models that exist, and joining texts."""

from pydantic import Field

from shared.requests.fields import Metadata, Name, Request
from shared.text.items import MAX_SEPARATOR


class CorpusPatch(Request):
    """Changes to a corpus. Omitted fields stay as they are."""

    name: Name | None = Field(None, description="The new name.")
    metadata: Metadata | None = Field(None, description="The new metadata, replacing the old.")


class CorpusJoin(Request):
    """Texts to join into a new one."""

    corpus_ids: list[str] = Field(min_length=2, max_length=100, description="The texts, in this order.")
    name: Name | None = Field(None, description="The new text's name; made from the first one's if omitted.")
    separator: str | None = Field(
        None,
        max_length=MAX_SEPARATOR,
        description="What separates two texts; where a text ends with a part of it, the rest is added. If omitted, a "
        "blank line, or the separator of the lists.",
    )


class ModelPatch(CorpusPatch):
    """Changes to a model. Omitted fields stay as they are."""

    base: bool | None = Field(
        None, description="Whether stream trainings on texts of its language start from it automatically."
    )
