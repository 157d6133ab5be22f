"""Settings that must be equal on all hosts are compared, and secrets aren't shown."""

from shared.common_settings import common_values, differences
from shared.settings import load

SECRET = "whsec_" + "A" * 32


def test_what_differs_is_named_with_the_hosts() -> None:
    first = common_values(load({}))
    second = common_values(load({"CHARLOOM_LEASE_TTL_S": "20", "CHARLOOM_TRAIN_SLOTS": "3"}))
    assert list(differences({"w1": first, "w2": second, "w3": first, "older": {}})) == [
        "CHARLOOM_LEASE_TTL_S is 10 on w1, w3; 20 on w2"
    ]
    assert list(differences({"w1": first, "w2": common_values(load({"CHARLOOM_LEASE_TTL_S": "10"}))})) == []


def test_a_secret_is_compared_by_its_hash() -> None:
    with_secret = common_values(load({"CHARLOOM_WEBHOOK_SECRET": SECRET}))
    [said] = differences({"w1": with_secret, "w2": common_values(load({}))})
    assert "not set on w2" in said
    assert SECRET not in said
