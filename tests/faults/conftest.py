"""One site for all faults, and the training undisturbed that the disturbed ones are held against."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults.jobs import Client
from tests.faults.judge import losses_of, weights_of
from tests.faults.site import ROOT, Site, make_site
from tests.preloaded_process import SLOWER_CHECKPOINT_SECONDS

#: Hosts of the site.
HOSTS = (1, 2)
#: A short lease, so that a silent host is noticed soon.
LEASE_TTL_S = 2.0
#: Characters of the sample, and options of the trainings on them: some seconds that are slept more than computed.
TEXT_CHARS = 12_000
SLOWER: Mapping[str, Any] = {"epochs": 3, "checkpoint_seconds": SLOWER_CHECKPOINT_SECONDS}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A site, a client of it, and what an undisturbed training gives."""

    site: Site
    client: Client
    weights: str
    losses: Sequence[Mapping[str, Any]]
    #: The model of it.
    model_id: str


@pytest.fixture(scope="package")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Make the site and its undisturbed training, once."""
    folder = tmp_path_factory.mktemp("site")
    text = folder / "text.txt"
    text.write_text((ROOT / "shared" / "sample.txt").read_text("utf-8")[:TEXT_CHARS], "utf-8")
    with make_site(folder, lease_ttl_s=str(LEASE_TTL_S)) as site:
        site.start(HOSTS)
        client = Client(site, **SLOWER)
        client.add_corpus(text)
        made = client.ended(client.train())
        assert made["status"] == "succeeded", made
        with site.api() as api:
            losses = losses_of(api, made["id"])
        assert losses
        yield Stage(
            site=site,
            client=client,
            weights=weights_of(site, made["id"]),
            losses=losses,
            model_id=made["result"]["model_id"],
        )
        client.close()


@pytest.fixture
def stage(lasting: Stage) -> Stage:
    """Give the site with everything running again."""
    site = lasting.site
    if not site.valkey.lives:
        site.start_redis()
    if not site.web.lives:
        site.start_web()
    for number in HOSTS:
        site.network.repair(number)
        if not site.hosts[number].lives:
            site.start_host(number)
    for number in HOSTS:
        site.wait_for_host(number)
    return lasting
