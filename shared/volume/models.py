"""Models: one folder each, written by a worker before it is renamed into place; listed from the volume."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from shared.errors import NotFound
from shared.ids import is_id
from shared.volume.files import list_ids, page_ids, read_json, remove_tree, sync_folder, translated, write_json


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of a model that can be downloaded."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is known of a model. Name and metadata can be edited; all else is as it was published."""

    id: str
    name: str
    recipe: str
    job_id: str
    parent_model_id: str | None
    corpus_id: str | None
    #: The resolved request that it was trained with; for an import, what its file tells.
    params: Mapping[str, Any]
    #: Characters, a character's place is its index.
    vocabulary: str
    parameters: int
    #: train, validation: mean nats per character; best_epoch.
    losses: Mapping[str, Any]
    #: format ("bundle", "pth") -> file
    files: Mapping[str, ModelFile]
    created_at: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class Models:
    """The folder of models. Any method raises VolumeUnavailable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(self, built: Path, model_id: str) -> None:
        """Move a folder that holds a whole model into place. Already there means done: the job made it before."""
        with translated():
            self._folder.mkdir(parents=True, exist_ok=True)
            target = self._folder / model_id
            if not target.exists():
                try:
                    built.rename(target)
                except OSError:
                    if not target.exists():
                        raise
            sync_folder(self._folder)

    def folder(self, model_id: str) -> Path:
        """Return a model's folder. Raises NotFound."""
        return self._folder / self.get(model_id).id

    def file(self, model_id: str, file_format: str) -> tuple[Path, ModelFile]:
        """Return a downloadable file of a model. Raises NotFound."""
        model = self.get(model_id)
        if file_format not in model.files:
            raise NotFound(f"{model_id} has no {file_format!r} file; it has: {', '.join(model.files)}.")
        file = model.files[file_format]
        return self._folder / model.id / file.name, file

    def list(self, *, after: str | None, limit: int, newest_first: bool = True) -> tuple[Sequence[Model], bool]:
        """Return some models after an id, and whether more follow."""
        all_ids = [name for name in list_ids(self._folder) if is_id(name, "mod")]
        ids = page_ids(all_ids, after=after, newest_first=newest_first)
        found = [model for name in ids[: limit + 1] if (model := self.find(name))]
        return found[:limit], len(ids) > limit

    def metrics(self, model_id: str) -> Sequence[Mapping[str, Any]]:
        """Return every loss measured while the model learned, none where its file tells none. Raises NotFound."""
        path = self.folder(model_id) / "metrics.jsonl"
        with translated():
            lines = path.read_text("utf-8").splitlines() if path.exists() else ()
        return [json.loads(line) for line in lines]

    def find(self, model_id: str) -> Model | None:
        """Return a model, or None."""
        meta = read_json(self._folder / model_id / "meta.json") if is_id(model_id, "mod") else None
        if not meta:
            return None
        # What a newer version has added is passed over.
        known = {name: meta[name] for name in Model.__dataclass_fields__ if name in meta}
        sizes = ModelFile.__dataclass_fields__
        files = {kind: ModelFile(**{n: file[n] for n in sizes if n in file}) for kind, file in meta["files"].items()}
        return Model(**known | {"files": files})

    def get(self, model_id: str) -> Model:
        """Return a model. Raises NotFound."""
        model = self.find(model_id)
        if model is None:
            raise NotFound(f"There is no model {model_id!r}. GET /api/v1/models lists those there are.")
        return model

    def edit(self, model_id: str, *, name: str | None, metadata: Mapping[str, str] | None) -> Model:
        """Change what can be changed; None stays as it is. Raises NotFound."""
        model = self.get(model_id)
        if name is not None:
            model = replace(model, name=name)
        if metadata is not None:
            model = replace(model, metadata=metadata)
        write_meta(self._folder / model_id, model)
        return model

    def delete(self, model_id: str) -> None:
        """Remove a model. Raises NotFound."""
        remove_tree(self._folder / self.get(model_id).id)


def write_meta(folder: Path, model: Model) -> None:
    """Commit a model's meta.json into its folder, the last of its files."""
    write_json(folder / "meta.json", asdict(model))
