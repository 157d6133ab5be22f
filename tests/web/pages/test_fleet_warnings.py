"""The page of the workers names hosts that take no jobs, and settings that differ."""

from dataclasses import replace

from shared.common_settings import common_values
from shared.settings import load
from tests.web.world import World


def test_a_wrong_volume_and_other_settings_are_shown(world: World) -> None:
    world.worker()
    assert "different settings" not in world.http.get("/workers").text
    [info] = world.services.store.workers.seen()
    other = common_values(load({"CHARLOOM_LEASE_TTL_S": "20"}))
    wrong = replace(info, name="w2", settings=other, volume_error="The data volume is another one.")
    world.services.store.workers.report(wrong)
    page = world.http.get("/workers").text
    assert "CHARLOOM_LEASE_TTL_S is 10 on the web server; 20 on w2" in page
    assert "It takes no jobs. The data volume is another one." in page
