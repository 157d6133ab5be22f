"""Ids sort by time, and what passes as one is safe as a file name."""

import pytest

from shared.ids import is_id, model_id_of, new_id, seed_of


def test_ids_made_one_after_another_ascend() -> None:
    ids = [new_id("job") for _ in range(10_000)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("kind", ["cor", "job", "mod"])
def test_a_new_id_is_an_id_of_its_kind_only(kind: str) -> None:
    made = new_id(kind)
    assert [other for other in ("cor", "job", "mod") if is_id(made, other)] == [kind]


@pytest.mark.parametrize(
    "text", ["", "job_", "job_../../etc/passwd", "job_" + "0" * 25, "job_" + "I" * 26, "job_" + "0" * 26 + "\n"]
)
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text, "job")


def test_a_job_always_makes_the_same_model() -> None:
    job_id = new_id("job")
    assert model_id_of(job_id) == model_id_of(job_id)
    assert is_id(model_id_of(job_id), "mod")


def test_a_job_always_has_the_same_seed_and_another_job_another() -> None:
    ids = [new_id("job") for _ in range(100)]
    assert [seed_of(job_id) for job_id in ids] == [seed_of(job_id) for job_id in ids]
    assert len({seed_of(job_id) for job_id in ids}) == 100
    assert all(0 <= seed_of(job_id) < 2**32 for job_id in ids)
