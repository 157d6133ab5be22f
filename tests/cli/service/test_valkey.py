"""The embedded Valkey: private, durable, and found again under any path."""

import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

import redis

from cli.service import valkey as embedded


def _socket_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def test_it_keeps_every_write_and_evicts_nothing(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_it_listens_on_no_network_port_and_lets_only_its_user_in(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.config_get("port") == {"port": "0"}
    socket = _socket_of(redis_url)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_gives_a_private_directory_elsewhere(tmp_path: Path) -> None:
    directory = tmp_path / ("deep" * 40)
    path = embedded.socket_path(directory)
    assert len(bytes(path)) <= embedded.MAX_SOCKET_PATH
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.parent.rmdir()


def test_spaces_and_signs_in_the_path_survive_in_the_address(tmp_path: Path) -> None:
    path = tmp_path / "my data?" / "100% #1" / "valkey.sock"
    assert _socket_of(embedded.socket_url(path)) == path


def test_nobody_answers_on_a_socket_that_is_not_there(tmp_path: Path) -> None:
    assert not embedded.responds(tmp_path / "valkey.sock")
