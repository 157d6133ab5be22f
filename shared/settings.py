"""Every setting of every process: the one place where the environment is read.

A setting `redis_url` is read from `CHARLOOM_REDIS_URL`. Each process reads them once, at its start (the Celery entry,
the app factory, the command line), and passes them on. A wrong one stops the start with its name.

Longer than most files here, since it is the one place of all settings.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from shared import redis_address
from shared.api_keys import MIN_CHARS as MIN_KEY_CHARS
from shared.api_keys import ApiKey
from shared.api_keys import read as read_api_keys
from shared.errors import SettingsError
from shared.networks import Network, is_loopback, parse_networks
from shared.setting_forms import (
    MIN_SECRET_CHARS,
    Rate,
    are_networks,
    check_webhook_secret,
    is_file,
    is_long,
    is_rate,
    is_redis,
    split,
)

PREFIX = "CHARLOOM_"
#: Their values are never shown.
_SECRETS = frozenset({"redis_url", "api_keys", "secret_key", "webhook_secret"})


def _is_bucket(url: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!.*'()/-]*)?", url, re.ASCII):
        raise ValueError("must be like s3://bucket or s3://bucket/prefix")
    return url


class Settings(BaseModel):
    """All settings with default, unit and help."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    redis_url: Annotated[SecretStr, AfterValidator(is_redis)] = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey that all processes share: redis://, rediss:// (TLS) or unix://, or Sentinels that "
        "know it: sentinel:// or sentinels:// (docs/redis.md). `charloom up` starts its own Valkey if this isn't "
        "set.",
    )
    redis_ca_file: Annotated[Path, AfterValidator(is_file)] | None = Field(
        None, description="Certificates (PEM) of the authorities that TLS trusts; the system's when not set."
    )
    redis_cert_file: Annotated[Path, AfterValidator(is_file)] | None = Field(
        None, description="Certificate (PEM) to present to a server that asks for one, with TLS."
    )
    redis_key_file: Annotated[Path, AfterValidator(is_file)] | None = Field(
        None, description="The key (PEM) of that certificate."
    )
    data_dir: Path = Field(Path("data"), description="The volume that all hosts share: corpora, models, jobs.")
    volume_init: bool = Field(
        True,
        description="0: a folder without the volume's id is refused, even if Redis knows none: `charloom doctor "
        "--volume --adopt` makes the volume, once. 1: the first start makes it.",
    )
    volume_url: Annotated[str, AfterValidator(_is_bucket)] | None = Field(
        None,
        description="A bucket as the volume, `s3://bucket/prefix`, where hosts share no folder; CHARLOOM_DATA_DIR is "
        "then each host's own, for copies.",
    )
    umask: str = Field(
        "077",
        pattern=r"^0?0[0-7]{2}$",
        description="Permissions that new files and folders don't get, octal. 077: only this user can read texts, "
        "models and logs; 007: the group of a shared volume can, too.",
    )

    # Web
    host: str = Field("127.0.0.1", description="Address that the web server binds.")
    port: int = Field(8000, ge=0, le=65_535, description="Port that the web server binds.")
    web_threads: int = Field(64, ge=4, le=1024, description="Requests that one web process answers at once.")
    web_streams: int = Field(48, ge=1, le=1000, description="Open event streams at most; fewer than the threads.")
    web_stall_s: float = Field(
        10,
        gt=0,
        le=600,
        description="Seconds after which a client is cut off that hasn't sent the whole head of a request, or stalls "
        "while sending its body or reading the response.",
    )
    api_keys: Annotated[tuple[ApiKey, ...], BeforeValidator(read_api_keys)] = Field(
        (),
        description=f"Keys that open the service, comma-separated, each `key` or `name:key`, {MIN_KEY_CHARS} "
        "characters or more; every caller needs one then. Only their hashes are kept.",
    )
    allow_anonymous: bool = Field(
        False,
        description="1: let the web server bind other addresses than loopback without keys. Keys that are set are "
        "still required.",
    )
    allowed_hosts: Annotated[list[str], BeforeValidator(split)] = Field(
        [],
        description="Host names, comma-separated, by which the service may be called, in addition to loopback "
        "names. When not set: loopback names only without keys, any name with keys.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="Proxies in a row before the web server whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    )
    secret_key: Annotated[SecretStr, AfterValidator(is_long)] | None = Field(
        None,
        description=f"Signs sessions and forms, {MIN_SECRET_CHARS} characters or more. Made once and kept on the "
        "volume when not set.",
    )
    session_hours: float = Field(
        24,
        gt=0,
        le=24 * 366,
        description="Hours until a session of the pages ends and the user has to sign in again.",
    )
    max_corpus_bytes: int = Field(256 * 2**20, ge=1, description="Largest corpus taken, bytes.")
    max_model_bytes: int = Field(2**30, ge=1, description="Largest model file taken for import, bytes.")

    rate_limit: Annotated[str | None, AfterValidator(is_rate)] = Field(
        None,
        description="How often one caller (a key, or an address where no keys are set) may call the API, such as "
        "60/minute; second, minute, hour or day. Not set: no limit.",
    )
    max_queued: int = Field(0, ge=0, description="Jobs of one caller that may wait in the queues at once; 0: no limit.")
    quota_bytes: int = Field(
        0,
        ge=0,
        description="Bytes that the texts and models of one API key may have together; without keys, all. 0: no limit.",
    )
    quota_texts: int = Field(0, ge=0, description="Texts of one API key at most; without keys, of all. 0: no limit.")
    quota_models: int = Field(0, ge=0, description="Models of one API key at most; likewise.")

    high_priority: Annotated[list[str], BeforeValidator(split)] = Field(
        [],
        description="Names of the API keys, comma-separated, that may send jobs of priority high; *: everybody. Not "
        "set: nobody.",
    )

    # Worker
    train_slots: int = Field(1, ge=0, le=64, description="Trainings that one host runs at once; 0 takes none.")
    generate_slots: int = Field(1, ge=0, le=64, description="Writing jobs that one host runs at once; 0 takes none.")
    train_threads: int = Field(
        0, ge=0, le=1024, description="Threads of one training at most; 0 shares all cores among the slots."
    )
    kernel: Literal[
        "auto", "amx", "bf16", "vnni", "avx512", "avx-vnni", "avx2", "neon-bf16", "neon-dot", "neon", "none"
    ] = Field(
        "auto",
        description="Instructions that the compiled LSTM layer uses: auto, the best that the processor has; amx, bf16 "
        "(AVX-512 with bfloat16), vnni (AVX-512 with VNNI), avx512, avx-vnni (AVX2 with VNNI), avx2, neon-bf16 (NEON "
        "with bfloat16), neon-dot (NEON with dot products) or neon; none: torch's own layer, which is slower.",
    )
    step_log: Path | None = Field(
        None, description="Folder where workers log every training step, its attempt and times; for tests."
    )
    stall_s: float = Field(60, gt=0, description="Seconds without a sign of progress after which a job is given up.")

    volume_wait_s: float = Field(
        600, ge=0, description="Seconds that a finished model waits for a full volume before its job fails."
    )

    # Extraction
    extract_memory_bytes: int = Field(
        2**30, ge=64 * 2**20, description="Memory that extracting, examining or cleaning a text may take, bytes."
    )
    extract_unpacked_bytes: int = Field(
        2**30, ge=2**20, description="Bytes that may be unpacked of one file, its archives and their files together."
    )
    extract_s: int = Field(
        600,
        ge=1,
        le=86_400,
        description="Seconds after which extracting, examining or cleaning a text is given up, at most 300 of them of "
        "computing.",
    )

    # Webhooks
    webhook_secret: Annotated[SecretStr, AfterValidator(check_webhook_secret)] | None = Field(
        None,
        description="Signs the messages of webhooks that don't have their own secret: whsec_ and 24 to 64 bytes in "
        "base64, the same for web and workers. Not set: each webhook must have its own.",
    )
    webhook_allow: Annotated[list[str], BeforeValidator(split), AfterValidator(are_networks)] = Field(
        [],
        description="Internal addresses that webhooks may call, also by http: networks, comma-separated, such as "
        "10.1.0.0/16. All others must be public and use https.",
    )

    # Jobs
    packaged_bases: bool = Field(
        True,
        description="Whether the bases that come with Charloom are copied to the volume, once. Trainings start from "
        "them automatically if they know the text's language.",
    )
    lease_ttl_s: float = Field(10, ge=1, le=600, description="Seconds after which a silent worker loses its job.")
    reap_s: float = Field(1, gt=0, le=60, description="Seconds between two checks for lost jobs.")
    max_attempts: int = Field(
        3,
        ge=1,
        le=100,
        description="Attempts in a row that may lose their worker (killed, silent) before the job fails; a newer saved "
        "training state starts the count again.",
    )
    job_ttl_days: float = Field(30, gt=0, description="Days that an ended job, its events and its state are kept.")
    events_cap: int = Field(10_000, ge=100, description="Newest events kept of one job.")
    job_memory_bytes: int = Field(0, ge=0, description="Memory one job may take, bytes; 0: what the workers report.")

    # Watching it
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="Port on which a worker serves /metrics to Prometheus, one for each worker of a host; 0: any free "
        "one, which its log names. Not set: none. The web server has /metrics at its own port.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address that a worker's /metrics binds.")
    metrics_allow: Annotated[list[str], BeforeValidator(split), AfterValidator(are_networks)] = Field(
        [],
        description="Networks, comma-separated, such as 10.1.0.0/16, that may read /metrics: without a key and by any "
        "name from the web server, and from workers at all where they bind more than loopback.",
    )
    celery_events: bool = Field(
        False,
        description="1: workers send Celery's events and heartbeats and take remote control, as Flower needs them. The "
        "web servers must have the same value.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="json: one JSON object a line, with job, attempt, worker and request id (docs/metrics.md)."
    )
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe level logged.")

    @property
    def rate(self) -> Rate | None:
        """How often one caller may call; None: no limit."""
        return None if self.rate_limit is None else Rate.parse(self.rate_limit)

    @property
    def has_quota(self) -> bool:
        """Whether callers may store only so much."""
        return any((self.quota_bytes, self.quota_texts, self.quota_models))

    @property
    def webhook_networks(self) -> list[Network]:
        """The internal networks that webhooks may call."""
        return parse_networks(self.webhook_allow)

    @property
    def metrics_networks(self) -> list[Network]:
        """The networks that may read /metrics without a key."""
        return parse_networks(self.metrics_allow)

    def redis_tls(self) -> dict[str, str]:
        """Return the options of TLS as redis-py and kombu both take them; none where the address has no TLS.

        The server's certificate and name are always checked.
        """
        if not redis_address.uses_tls(self.redis_url.get_secret_value()):
            return {}
        files = {
            "ssl_ca_certs": self.redis_ca_file,
            "ssl_certfile": self.redis_cert_file,
            "ssl_keyfile": self.redis_key_file,
        }
        return {"ssl_cert_reqs": "required"} | {name: str(path) for name, path in files.items() if path is not None}


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment (or the mapping given, in tests).

    Raises:
        SettingsError: a value is wrong, or a CHARLOOM_ variable isn't a setting; says which, and what is allowed.
    """
    values = os.environ if environment is None else environment
    given = {name.removeprefix(PREFIX).lower(): value for name, value in values.items() if name.startswith(PREFIX)}
    unknown = sorted(set(given) - set(Settings.model_fields) - CLIENT_VARIABLES)
    if unknown:
        raise SettingsError("; ".join(f"{PREFIX}{name.upper()} is not a setting of Charloom" for name in unknown))
    try:
        settings = Settings.model_validate({name: given[name] for name in given if name in Settings.model_fields})
    except ValidationError as exc:
        raise SettingsError(
            "; ".join(_explain(error["loc"][0], error["msg"], given) for error in exc.errors())
        ) from exc
    if settings.web_streams >= settings.web_threads:
        raise SettingsError(
            f"{PREFIX}WEB_STREAMS is {settings.web_streams}, but must stay below {PREFIX}WEB_THREADS "
            f"({settings.web_threads}), or open streams would leave no thread to answer requests"
        )
    _check_tls(settings)
    return settings


def _check_tls(settings: Settings) -> None:
    if bool(settings.redis_cert_file) != bool(settings.redis_key_file):
        raise SettingsError(f"{PREFIX}REDIS_CERT_FILE and {PREFIX}REDIS_KEY_FILE belong together; set both or neither")
    if (settings.redis_ca_file or settings.redis_cert_file) and not settings.redis_tls():
        raise SettingsError(
            f"{PREFIX}REDIS_CA_FILE and {PREFIX}REDIS_CERT_FILE are for TLS, but {PREFIX}REDIS_URL doesn't begin with "
            "rediss:// or sentinels://, so nothing would be encrypted"
        )


def set_umask(settings: Settings) -> None:
    """Create files with the permissions of the settings from now on, in this process and its children."""
    os.umask(int(settings.umask, 8))


def kernel_choice() -> str:
    """Return the setting `kernel`, for the code below all jobs, to which no settings are passed."""
    return os.environ.get(f"{PREFIX}KERNEL", "auto")


def are_traces_on(environment: Mapping[str, str] | None = None) -> bool:
    """Return True if OpenTelemetry's own variables ask for traces, by OTLP over HTTP."""
    values = os.environ if environment is None else environment

    def of(*names: str) -> str:
        return next((found for name in names if (found := values.get(f"OTEL_{name}", "").strip())), "").lower()

    return (
        bool(of("EXPORTER_OTLP_TRACES_ENDPOINT", "EXPORTER_OTLP_ENDPOINT"))
        and of("SDK_DISABLED") != "true"
        and of("TRACES_EXPORTER") in ("", "otlp")
        and of("EXPORTER_OTLP_TRACES_PROTOCOL", "EXPORTER_OTLP_PROTOCOL") in ("", "http/protobuf")
    )


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with more variables, for a process that it starts."""
    return os.environ | more


def user_cache_dir() -> Path:
    """Return the folder for what can be made again, by the XDG base directory specification."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "charloom"


def check_metrics_binding(settings: Settings) -> None:
    """Make sure that a worker's metrics aren't opened to the network by accident.

    Raises:
        SettingsError: they would be served beyond loopback, and no network is named that may read them.
    """
    if settings.metrics_port is not None and not is_loopback(settings.metrics_host) and not settings.metrics_allow:
        raise SettingsError(
            f"{PREFIX}METRICS_HOST={settings.metrics_host} would let everyone who can reach this machine read the "
            f"metrics. Set {PREFIX}METRICS_ALLOW to Prometheus' network (0.0.0.0/0,::/0: everyone), or "
            f"{PREFIX}METRICS_HOST=127.0.0.1"
        )


def check_binding(settings: Settings) -> None:
    """Make sure that the web server isn't opened to the network by accident.

    Raises:
        SettingsError: it would bind more than loopback, and nobody has said that this is intended.
    """
    if not is_loopback(settings.host) and not settings.api_keys and not settings.allow_anonymous:
        raise SettingsError(
            f"{PREFIX}HOST={settings.host} would let everyone who can reach this machine use Charloom. "
            f"Set {PREFIX}API_KEYS, or {PREFIX}ALLOW_ANONYMOUS=1 if that is intended, or {PREFIX}HOST=127.0.0.1"
        )


#: Variables that the command line, the tests and the benches read; the service doesn't.
CLIENT_VARIABLES = frozenset({"url", "book", "api_key"})


def _explain(field: object, message: str, given: Mapping[str, str]) -> str:
    name = str(field)
    shown = "" if name in _SECRETS else f" is {given.get(name, '')!r}:"
    if name == "api_keys":  # the message names one of several
        shown = ":"
    message = message.removeprefix("Value error, ")
    return f"{PREFIX}{name.upper()}{shown} {message[0].lower()}{message[1:]}"
