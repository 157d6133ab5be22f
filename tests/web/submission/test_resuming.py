"""A training that failed or was cancelled goes on as a new job, or it is said why it can't."""

from tests.web.world import API, Reply, World

JOB = "job_" + "0" * 26


def resume(world: World, job_id: str) -> Reply:
    return world.http.post(f"{API}/jobs/{job_id}/resume")


def failed(world: World, **options: object) -> str:
    """Leave a failed training with a state, and return its id."""
    job_id = str(world.train(world.corpus(), **options).json["id"])
    claim = world.claim(job_id)
    world.save_state(claim)
    world.fail(claim)
    return job_id


def refusal(answer: Reply) -> str:
    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    return str(answer.json["detail"])


def test_a_resumed_training_is_a_new_job_with_the_same_options(world: World) -> None:
    old = failed(world, metadata={"who": "me"}, epochs=3)
    files = world.traces()[1]
    answer = resume(world, old)
    assert answer.status_code == 202
    new, before = answer.json, world.get(f"/jobs/{old}").json
    assert answer.headers["Location"] == f"{API}/jobs/{new['id']}"
    assert (new["status"], new["type"], new["parent_id"], new["attempt"]) == ("queued", "train", old, 0)
    assert (new["params"], new["metadata"]) == (before["params"], {"who": "me"})
    record, asked = world.services.store.jobs.get(new["id"]), world.services.volume.jobs.asked(new["id"])
    assert record.uses == world.services.store.jobs.get(old).uses == (new["params"]["corpus_id"],)
    assert record.model_id != world.services.store.jobs.get(old).model_id
    assert asked is not None
    assert asked.parent_id == old, "it is known when Redis was emptied, too"
    assert before["status"] == "failed"
    assert world.traces()[1] - files == {f"jobs/{new['id']}/job.json"}, "the old one's files stay where they are"
    assert files <= world.traces()[1]


def test_a_model_that_it_began_from_stays_in_use(world: World) -> None:
    model = world.model(world.corpus())
    answer = resume(world, failed(world, init_from=model.id))
    assert world.services.store.jobs.get(answer.json["id"]).uses == (answer.json["params"]["corpus_id"], model.id)
    assert world.http.delete(f"{API}/models/{model.id}").status_code == 409


def test_a_resume_that_ended_before_it_saved_is_resumed_from_its_parent_s_state(world: World) -> None:
    first = failed(world)
    second = resume(world, first).json["id"]
    world.http.post(f"{API}/jobs/{second}/cancel")
    third = resume(world, second)
    assert (third.status_code, third.json["parent_id"]) == (202, second)
    line = world.services.volume.jobs.states_of_line(third.json["id"])
    assert [(job_id, state.step) for job_id, state in line] == [(first, 40)]


def test_what_can_t_go_on_is_refused_with_the_reason(world: World) -> None:
    corpus_id = world.corpus()
    assert resume(world, JOB).status_code == 404
    writing = world.write(world.model(corpus_id).id, prompt="the").json["id"]
    assert "Only a training" in refusal(resume(world, writing))
    job_id = world.train(corpus_id).json["id"]
    assert "not ended" in refusal(resume(world, job_id))
    claim = world.claim(job_id)
    world.save_state(claim)
    assert "not ended" in refusal(resume(world, job_id))
    world.finish(claim)
    assert "succeeded" in refusal(resume(world, job_id))
    early = world.train(corpus_id).json["id"]
    world.http.post(f"{API}/jobs/{early}/cancel")
    assert "before it saved" in refusal(resume(world, early))


def test_without_its_text_nothing_goes_on(world: World) -> None:
    job_id = failed(world)
    corpus_id = world.get(f"/jobs/{job_id}").json["params"]["corpus_id"]
    assert world.http.delete(f"{API}/corpora/{corpus_id}").status_code == 204
    left = world.traces()
    assert "text" in refusal(resume(world, job_id))
    assert world.traces() == left, "nothing is left behind"


def test_a_ring_of_parents_ends_somewhere(world: World) -> None:
    job_id = failed(world)
    path = world.services.volume.folder / "jobs" / job_id / "job.json"
    path.write_text(path.read_text().replace('"parent_id": null', f'"parent_id": "{job_id}"'))
    asked = world.services.volume.jobs.asked(job_id)
    assert asked is not None
    assert asked.parent_id == job_id
    assert len(world.services.volume.jobs.states_of_line(job_id)) == 16
