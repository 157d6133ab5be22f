"""A wrong setting stops the start with its name."""

from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.settings import are_traces_on, load


def test_nothing_need_be_set() -> None:
    assert load({}).port == 8000


def test_values_are_read_from_their_variables() -> None:
    settings = load({"CHARLOOM_TRAIN_SLOTS": "2", "CHARLOOM_ALLOWED_HOSTS": "a.example, b.example", "PATH": "/bin"})
    assert (settings.train_slots, settings.allowed_hosts) == (2, ["a.example", "b.example"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHARLOOM_PORT", "http"),
        ("CHARLOOM_PORT", "70000"),
        ("CHARLOOM_REDIS_URL", "http://localhost"),
        ("CHARLOOM_LEASE_TTL_S", "0"),
        ("CHARLOOM_WEB_STREAMS", "64"),
        ("CHARLOOM_UMASK", "700"),
        ("CHARLOOM_UMASK", "0o77"),
        ("CHARLOOM_PROT", "8000"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load({name: value})


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces", "TRACES_EXPORTER": "otlp"}, True),
        ({"EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://c:4318", "SDK_DISABLED": "True"}, False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://c:4318", "TRACES_EXPORTER": "none"}, False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://c:4317", "EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_traces_are_on_where_the_standard_variables_say_so(variables: dict[str, str], on: bool) -> None:
    assert are_traces_on({f"OTEL_{name}": value for name, value in variables.items()}) is on


def test_a_secret_isn_t_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"CHARLOOM_REDIS_URL": "http://:hunter2@localhost"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(load({"CHARLOOM_REDIS_URL": "redis://:hunter2@localhost"}))


@pytest.mark.parametrize(
    "url",
    [
        "redis://charloom:hunter2/x@localhost",
        "redis://charloom:hunter2#x@localhost:6379",
        "redis://charloom:hunter2?x@localhost:6379",
        "redis://localhost:hunter2",
        "redis://localhost/hunter2",
        "rediss://:hunter2@localhost/0?ssl_cert_reqs=none",
        "redis://:hunter2@localhost?credential_provider=os.system",
        "unix://hunter2?db=x",
        "sentinel://charloom:hunter2@host",
        "sentinel://charloom:hunter2@x@host/main",
        "sentinel://charloom:hunter2/x@host/main",
        "sentinel://:hunter2@host:0/main",
        "sentinel://:hunter2@host,/main",
        "sentinel://:hunter2@host:port/main",
        "sentinel://:hunter2@host/main/first",
        "sentinels://:hunter2@host/main?ssl_cert_reqs=none",
        "sentinel://host/main?sentinel_password=hunter2&sentinel_password=b",
    ],
)
def test_an_address_of_redis_that_would_be_misread_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="CHARLOOM_REDIS_URL") as caught:
        load({"CHARLOOM_REDIS_URL": url})
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "url",
    [
        "redis://queue.example",
        "redis://u:p%40%2F%23@queue.example:6379/3",
        "rediss://queue.example:6380/0",
        "unix:///run/redis.sock",
        "unix:///run/redis.sock?db=2",
        "redis://[::1]:6379/0",
        "sentinel://host/main",
        "sentinels://u:p%40%2F%23@[::1]:26380,b.example/main/3?sentinel_username=s&sentinel_password=p%26",
    ],
)
def test_a_plain_address_of_redis_is_taken(url: str) -> None:
    assert load({"CHARLOOM_REDIS_URL": url}).redis_url.get_secret_value() == url


def test_options_of_tls_must_be_whole_readable_and_of_use(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("a certificate")
    file, url = str(tmp_path / "a.pem"), "rediss://queue.example"
    given = {"CHARLOOM_REDIS_URL": url, "CHARLOOM_REDIS_CA_FILE": file}
    assert load(given).redis_tls() == {"ssl_cert_reqs": "required", "ssl_ca_certs": file}
    assert load({"CHARLOOM_REDIS_URL": url}).redis_tls() == {"ssl_cert_reqs": "required"}
    assert load({}).redis_tls() == load({"CHARLOOM_REDIS_URL": "sentinel://host/main"}).redis_tls() == {}
    assert load({"CHARLOOM_REDIS_URL": "sentinels://host/main"}).redis_tls() == {"ssl_cert_reqs": "required"}
    with pytest.raises(SettingsError, match="belong together"):
        load(given | {"CHARLOOM_REDIS_CERT_FILE": file})
    with pytest.raises(SettingsError, match="nothing would be encrypted"):
        load({"CHARLOOM_REDIS_CA_FILE": file})
    with pytest.raises(SettingsError, match=r"CHARLOOM_REDIS_CA_FILE is '.*': can't be read: No such file"):
        load(given | {"CHARLOOM_REDIS_CA_FILE": file + "x"})
