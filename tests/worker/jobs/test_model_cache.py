"""What a process keeps from one writing job to the next is never more, and never other, than the volume has."""

from dataclasses import replace
from itertools import groupby
from typing import Any, cast

import pytest
import torch

from shared.jobs.record import Job
from shared.volume import Corpus, Model
from shared.volume.models import write_meta
from tests.worker.cluster import Cluster
from worker.generation.loaded import LoadedModel
from worker.generation.text_index import load
from worker.jobs import model_cache as module
from worker.jobs.attempt import Stopped, Written
from worker.jobs.generate_job import run_generate
from worker.jobs.lease import Lease, StopRequest, StopRequested
from worker.jobs.model_cache import ModelCache

pytestmark = pytest.mark.usefixtures("steady_worker")


def test_a_model_is_read_once_until_another_comes_or_all_is_cleared(
    cluster: Cluster, made: Job, corpus: Corpus
) -> None:
    other_job = cluster.ended(cluster.train(corpus, epochs=1))
    model_cache, model = ModelCache(cluster.volume), cluster.volume.models.get(made.model_id)
    first = model_cache.model(model)
    assert model_cache.model(model) is first
    other = model_cache.model(cluster.volume.models.get(other_job.model_id))
    assert other is not first
    again = model_cache.model(model)
    assert again is not first
    model_cache.clear()
    assert model_cache.model(model) is not again


def test_what_is_large_is_not_kept(cluster: Cluster, made: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PARAMETERS", 1)
    model_cache, model = ModelCache(cluster.volume), cluster.volume.models.get(made.model_id)
    assert model_cache.model(model) is not model_cache.model(model)


def test_an_index_is_there_after_the_training_is_kept_and_is_gone_with_its_corpus(cluster: Cluster, made: Job) -> None:
    # Given
    own = cluster.corpus_of("a text of this test's own, " * 100)
    models = cluster.volume.models
    model, other = models.get(cluster.ended(cluster.train(own, epochs=1)).model_id), models.get(made.model_id)
    assert load(cluster.volume.corpora.index_folder(own.id, lowercase=False)) is not None
    model_cache, lease = ModelCache(cluster.volume), cast("Lease", None)  # none is needed where nothing is built
    # When
    index = model_cache.index(model, lease)
    # Then
    assert index is not None
    assert model_cache.index(model, lease) is index
    assert model_cache.index(other, lease) is not index
    assert model_cache.index(model, lease) is not index
    cluster.volume.corpora.delete(own.id)
    assert model_cache.index(model, lease) is None


@pytest.mark.parametrize("request_", StopRequest)
def test_a_stop_while_an_index_is_built_keeps_the_texts_unless_the_job_goes_on_elsewhere(
    cluster: Cluster, made: Job, monkeypatch: pytest.MonkeyPatch, request_: StopRequest
) -> None:
    def stopped(*_: object) -> None:
        raise StopRequested(request_)

    monkeypatch.setattr(ModelCache, "index", stopped)
    attempt = cluster.attempt(cluster.mute().write(made.model_id, length=20))
    if request_ is StopRequest.DRAIN:
        with pytest.raises(StopRequested):
            run_generate(attempt)
    else:
        outcome = run_generate(attempt)
        assert isinstance(outcome, Stopped)
        assert outcome.result is not None
        (output,) = cast("list[Any]", outcome.result["outputs"])
        assert (len(output["text"]), output["copied"]) == (20, None)


@pytest.mark.parametrize("noted", [True, False])
def test_the_longest_runs_of_a_corpus_limit_the_runs_of_a_text(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    # Given: a model that writes blanks only, made by this version or by one that didn't note the longest runs.
    own = cluster.corpus_of("a      bbb" * 200)
    folder = cluster.volume.models.folder(cluster.ended(cluster.train(own, epochs=1)).model_id)
    model, load_model = cluster.volume.models.get(folder.name), ModelCache.model
    assert model.longest_runs == {" ": 6, "b": 3}
    if not noted:
        write_meta(folder, replace(model, longest_runs=None))

    def blank(cache: ModelCache, wanted: Model) -> LoadedModel:
        loaded = load_model(cache, wanted)
        with torch.no_grad():
            loaded.module.linear.bias[loaded.vocabulary.index[" "]] += 1000
        return loaded

    monkeypatch.setattr(ModelCache, "model", blank)
    # When
    for max_run, longest in ((None, 6), (2, 2), (0, 50)):
        options = {"prompt": "bab", "length": 50, "temperature": 0.0, "max_run": max_run}
        outcome = run_generate(cluster.attempt(cluster.mute().write(model.id, **options)))
        # Then
        assert isinstance(outcome, Written)
        (output,) = cast("list[Any]", outcome.result["outputs"])
        assert max(len(list(run)) for _, run in groupby(output["text"])) == longest
        assert (output["runs_cut"] > 0) is (max_run != 0)
