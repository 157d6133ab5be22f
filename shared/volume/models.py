"""Models: one folder each, written by a worker before it is renamed into place; listed from the volume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shared.errors import Damaged, NotFound
from shared.jobs.record import StartingPoint
from shared.jobs.rows import MAX_METRICS, METRICS, MetricRow, ModelLosses, read_rows
from shared.requests.recipes import RecipeName
from shared.text.items import ModelItems
from shared.versions import Version
from shared.volume.collection import Collection
from shared.volume.files import translated, write_json
from shared.volume.shared_folder import SharedFolder


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of a model that can be downloaded."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model's meta.json. Name and metadata can be edited; nothing else changes once it is published."""

    id: str
    name: str
    recipe: RecipeName
    job_id: str
    parent_model_id: str | None
    corpus_id: str | None
    #: The resolved request that it was trained with; for an import, what its file says.
    params: Mapping[str, Any]
    #: Its characters, in the order of their indices.
    vocabulary: str
    parameters: int
    losses: ModelLosses
    #: format ("bundle", "pth") -> file
    files: Mapping[str, ModelFile]
    created_at: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The list that it was trained on; None for other texts, and for models older than this field.
    items: ModelItems | None = None
    #: Of a trained model; None in those of earlier versions.
    starting_point: StartingPoint | None = None
    #: Characters that follow themselves somewhere in its corpus, and how often in a row at most; None: not known.
    longest_runs: Mapping[str, int] | None = None
    #: The name of the API key with which it was made; "" without keys, and in records older than this field.
    owner: str = ""


#: Of meta.json.
VERSION = Version(newest=1)


class Models(Collection[Model]):
    """The folder of models. Any method raises VolumeUnavailable."""

    _noun, _prefix, _record, _version = "model", "mod", TypeAdapter(Model), VERSION

    def __init__(self, folder: Path, files: SharedFolder | None = None) -> None:
        super().__init__(folder, files)
        self.path = folder
        #: An empty file for each base, named by its id; and one for each base that ever came with Charloom.
        self._bases, self._packaged = folder / ".bases", folder / ".packaged"

    def publish(self, built: Path, model_id: str) -> None:
        """Move a folder that holds a whole model into place. If it exists, an earlier attempt has published it."""
        with translated():
            self._folder.mkdir(parents=True, exist_ok=True)
        self._files.publish(built, self._folder / model_id, last="meta.json")

    def folder(self, model_id: str, *names: str) -> Path:
        """Return a model's folder, with these of its files on this host, even if the model is damaged.

        Raises NotFound.
        """
        folder = super().folder(model_id)
        for name in names:
            self._files.local(folder / name)
        return folder

    def file(self, model_id: str, file_format: str) -> tuple[Path, ModelFile]:
        """Return a downloadable file of a model. Raises NotFound."""
        model = self.get(model_id)
        if file_format not in model.files:
            raise NotFound(f"{model_id} has no {file_format!r} file; it has: {', '.join(model.files)}.")
        file = model.files[file_format]
        return self._files.local(self._folder / model.id / file.name), file

    def metrics(self, model_id: str) -> Sequence[MetricRow]:
        """Return every loss measured while the model was trained, if its file has any. Raises NotFound, Damaged."""
        path = self.folder(model_id, "metrics.jsonl") / "metrics.jsonl"
        try:
            with translated(), path.open("rb") as file:
                return read_rows(file, METRICS, max_rows=MAX_METRICS)
        except FileNotFoundError:
            return ()
        except ValueError as exc:
            raise Damaged(f"The losses of {model_id} can't be read: {path.name} is damaged, {exc}.") from exc

    def bases(self) -> Sequence[Model]:
        """Return the models that are marked as bases, oldest first. Damaged ones are left out."""
        return [model for name in self._files.list_ids(self._bases) if (model := self.find(name))]

    def is_base(self, model_id: str) -> bool:
        """Return True if trainings may start from this model automatically."""
        return self._files.exists(self._bases / model_id)

    def mark_base(self, model_id: str, *, base: bool) -> None:
        """Mark a model as a base, or remove the mark. Raises NotFound."""
        self.folder(model_id)
        if base:
            self._files.create(self._bases / model_id, b"")
        else:
            self._files.remove(self._bases / model_id)

    def was_packaged(self, model_id: str) -> bool:
        """Return True if this model was put here from Charloom's package, even if it has been deleted since."""
        return self._files.exists(self._packaged / model_id)

    def note_packaged(self, model_id: str) -> None:
        """Remember that this model was put here from Charloom's package."""
        self._files.create(self._packaged / model_id, b"")

    def weights_path(self, model_id: str) -> Path:
        """Return the path of a model's weights, a safetensors file. Raises NotFound."""
        return self.folder(model_id, "weights.safetensors") / "weights.safetensors"

    def edit(
        self,
        model_id: str,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        check: Callable[[], None] = lambda: None,
        base: bool | None = None,
    ) -> Model:
        """Do as `Collection.edit`, and mark the model as a base, or remove the mark, unless `base` is None."""

        def checked() -> None:
            check()
            if base is not None:
                self.mark_base(model_id, base=base)

        return super().edit(model_id, name=name, metadata=metadata, check=checked)

    def delete(self, model_id: str, *, check: Callable[[], None] = lambda: None) -> None:
        """Remove a model, if `check`, called as by `edit`, raises nothing. Raises NotFound."""

        def checked() -> None:
            check()
            self.mark_base(model_id, base=False)

        super().delete(model_id, check=checked)


def write_meta(folder: Path, model: Model) -> None:
    """Commit meta.json, the last file of a model's folder."""
    write_json(folder / "meta.json", VERSION.stamp(asdict(model)))
