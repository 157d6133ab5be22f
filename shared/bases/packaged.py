"""The bases that come with Charloom: bundles in this folder, put on the volume once."""

import json
import logging
import shutil
import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from safetensors.numpy import load

from shared.errors import CharloomError
from shared.ids import fixed_id
from shared.jobs.rows import ModelLosses
from shared.volume import Model, Volume
from shared.volume.files import building, translated
from shared.volume.models import ModelFile, write_meta

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
_BUNDLE, _CONFIG = "bundle.zip", "config.json"
_SIZES = ("recipe", "seq_length", "hidden_size", "layers", "embedding_size", "lowercase")


def install(volume: Volume, folder: Path = FOLDER) -> list[str]:
    """Put the bases on a volume that hasn't had them yet; return the ids of those that were added.

    One that somebody deleted or unmarked isn't added again. Their ids are made from the files, so that hosts that do
    this at the same time make the same models.

    Raises:
        VolumeUnavailable
    """
    added = []
    for path in sorted(folder.glob("*.zip")):
        content = path.read_bytes()
        digest = sha256(content)
        model_id = fixed_id("mod", digest.digest())
        if volume.models.was_packaged(model_id):
            continue
        with building(volume.models.path) as built:
            bundle = ModelFile(name=_BUNDLE, bytes=len(content), sha256=digest.hexdigest())
            _unpack(path, built, model_id, bundle)
            volume.models.publish(built, model_id)
        volume.models.mark_base(model_id, base=True)
        volume.models.note_packaged(model_id)
        log.info("The base %s is on the volume: %s", path.stem, model_id)
        added.append(model_id)
    return added


def install_if_possible(volume: Volume) -> None:
    """Do as `install`; where the volume can't be written to, log that, since all else works without bases."""
    try:
        install(volume)
    except CharloomError as exc:
        log.warning("The bases couldn't be put on the volume; this is tried again later: %s", exc)


def _unpack(path: Path, folder: Path, model_id: str, bundle: ModelFile) -> None:
    """Write a model's files from its bundle, which is one of ours: nothing is checked."""
    with translated(), zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read(_CONFIG))
        for name in archive.namelist():
            if name != _CONFIG:
                archive.extract(name, folder)
        weights = load(archive.read("weights.safetensors"))
        shutil.copyfile(path, folder / _BUNDLE)
    write_meta(
        folder,
        Model(
            id=model_id,
            name=path.stem.capitalize(),
            recipe=config["recipe"],
            job_id=f"job_{model_id.removeprefix('mod_')}",
            parent_model_id=None,
            corpus_id=None,
            params=config["params"] | {name: config[name] for name in _SIZES},
            vocabulary="".join(config["vocabulary"]),
            parameters=sum(value.size for value in weights.values()),
            losses=ModelLosses(**config["losses"]),
            files={"bundle": bundle},
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        ),
    )
