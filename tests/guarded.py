"""A Redis that asks who comes, and Charloom's whole way as a user of it: train, write, watch, cancel, sign in."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from kombu import pools

from shared.jobs.record import Status
from shared.settings import Settings, load
from tests.servers import serving
from tests.waiting import eventually
from tests.web.locked import ANNA, WRONG, bearer, sign_in, token_in
from tests.web.world import API, World
from tests.worker.cluster import ENDLESS, ROOT, SMALL, Cluster

LINE = re.search(r"^user charloom .*$", (ROOT / "docs" / "redis.md").read_text(), re.MULTILINE)[0]  # type: ignore[index]
#: Needs escaping in an address.
PASSWORD = "p/w: ?#@%"  # noqa: S105
QUOTED = "p%2Fw%3A%20%3F%23%40%25"
ADMIN = "only-the-tests-know"


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A server that lets nobody do much."""

    url: str
    admin: "redis.Redis"
    tls: dict[str, str]

    def denials(self) -> list[tuple[str, str]]:
        """List what was refused: (why, what), without the one that is known to do no harm."""
        found = [(str(one["reason"]), str(one["object"])) for one in self.admin.acl_log()]
        return [one for one in found if one != ("command", "client|setinfo") and one != ("command", "client")]


@contextmanager
def guarded(folder: Path, *options: str, certificates: Path | None = None, **how: Any) -> Iterator[Guarded]:
    """Start a server that knows the documented user, with this password, and an administrator."""
    folder.mkdir()
    (folder / "users.acl").write_text(
        LINE.replace(">PASSWORD", "#" + hashlib.sha256(PASSWORD.encode()).hexdigest())
        + f"\nuser default on >{ADMIN} ~* &* +@all\n"
    )
    tls = {"redis_ca_file": str(certificates / "ca.pem")} if certificates else {}
    with serving(folder, "--aclfile", str(folder / "users.acl"), *options, tls=bool(certificates), **how) as port:
        scheme = "rediss" if certificates else "redis"
        client_tls: dict[str, Any] = {}
        if certificates:
            files = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "client.pem", "ssl_keyfile": "client.key"}
            client_tls = {name: str(certificates / file) for name, file in files.items()}
            client_tls |= {"ssl": True, "ssl_check_hostname": False}
        admin: redis.Redis = redis.Redis("127.0.0.1", port, password=ADMIN, decode_responses=True, **client_tls)
        admin.acl_log_reset()
        yield Guarded(url=f"{scheme}://charloom:{QUOTED}@127.0.0.1:{port}/0", admin=admin, tls=tls)
        admin.close()
        pools.reset()  # type: ignore[no-untyped-call]


def settings_of(url: str, **more: str) -> Settings:
    variables = {"redis_url": url, "data_dir": "/nowhere", **more}
    return load({f"CHARLOOM_{name.upper()}": value for name, value in variables.items()})


def go_the_whole_way(server: Guarded, folder: Path, **more: str) -> None:
    """Train, write, watch, cancel, sign in and out: over HTTP, by a real worker, as the user that the server knows."""
    cluster = Cluster.make(
        server.url,
        folder / "data",
        folder,
        train_threads="1",
        api_keys=f"anna:{ANNA}",
        lease_ttl_s="2",
        **server.tls,
        **more,
    )
    world = World(cluster.settings)
    world.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {ANNA}"
    with cluster.worker() as worker:
        eventually(lambda: world.http.get("/readyz").status_code == 200, "it is ready")
        corpus_id = world.corpus((ROOT / "shared" / "sample.txt").read_bytes())
        once = {"headers": {"Idempotency-Key": "once"}}
        sent = [world.http.post(f"{API}/train-jobs", json={"corpus_id": corpus_id, **SMALL}, **once) for _ in "12"]
        assert len({answer.json["id"] for answer in sent}) == 1
        job = cluster.ended(sent[0].json["id"])
        assert job.status is Status.SUCCEEDED, job.error
        model_id = str((job.result or {})["model_id"])
        written = world.write(model_id, prompt="there", length=50).json["id"]
        assert cluster.ended(written).status is Status.SUCCEEDED
        for path in (
            f"/jobs/{job.id}",
            f"/jobs/{job.id}/events",
            f"/jobs/{job.id}/metrics",
            "/jobs?status=succeeded",
            "/workers",
            f"/jobs?model_id={model_id}",
            "/models",
        ):
            assert world.get(path).status_code == 200, path
        assert world.get(f"/jobs/{job.id}/events", headers={"Accept": "text/event-stream"}).status_code == 200
        for path in ("/", "/jobs", f"/jobs/{job.id}", f"/jobs/{written}", "/workers"):
            assert world.http.get(path).status_code == 200, path
        # A cancel, a worker that is killed while it trains, and a resume.
        endless = world.train(corpus_id, **ENDLESS).json["id"]
        cluster.running(endless)
        worker.kill()
        worker.wait()
    with cluster.worker("w2"):
        eventually(lambda: cluster.store.jobs.get(endless).worker == "w2@test", "another takes it up")
        cluster.running(endless)
        assert world.http.post(f"{API}/jobs/{endless}/cancel").status_code == 202
        assert cluster.ended(endless).status is Status.CANCELLED
        resumed = world.http.post(f"{API}/jobs/{endless}/resume").json["id"]
        cluster.running(resumed)
        world.http.post(f"{API}/jobs/{resumed}/cancel")
        cluster.ended(resumed)
        assert world.http.delete(f"{API}/models/{model_id}").status_code == 204
    del world.http.environ_base["HTTP_AUTHORIZATION"]
    assert world.get("/jobs", headers=bearer(WRONG)).status_code == 401
    assert sign_in(world).status_code == 303
    token = token_in(world.http.get("/workers").text)
    assert world.http.post("/logout", data={"csrf_token": token}).status_code == 303
    world.close()
    for log in folder.glob("*.log"):
        assert PASSWORD not in log.read_text()
        assert QUOTED not in log.read_text()
        assert "NOPERM" not in log.read_text()
