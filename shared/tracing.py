"""OpenTelemetry traces: spans of requests, of attempts at jobs and of their phases, exported by OTLP over HTTP.

They are on where the extra `charloom[otel]` is installed and its standard variables ask for them
(`shared.settings.are_traces_on`); elsewhere OpenTelemetry isn't imported, and each method returns at once.

A span's place in its trace is a `traceparent` (https://www.w3.org/TR/trace-context/). It arrives with a request, is
kept in the job's record, and goes on to each attempt and to the receivers of webhooks, also where traces are off.
"""

import atexit
import logging
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from shared.settings import are_traces_on

log = logging.getLogger(__name__)

#: Seconds that a process which ends waits for the collector.
_CLOSE_S = 2.0
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)

Kind = Literal["internal", "server", "client", "consumer"]
Attributes = Mapping[str, str | int | float | bool | None]


def read_traceparent(header: str | None) -> str | None:
    """Return a header `traceparent` as version 00 writes it; None if there is none or it isn't valid."""
    found = _FORM.fullmatch(header or "")
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    if not (int(found[2], 16) and int(found[3], 16)):
        return None
    return f"00-{found[2]}-{found[3]}-{found[4]}"


def trace_id(traceparent: str | None) -> str | None:
    """Return the id of the trace, for log lines."""
    return traceparent.split("-")[1] if traceparent else None


class Span:
    """A span that has begun; where traces are off, only the place in the trace that it would have had."""

    def __init__(self, traceparent: str | None = None, span: Any = None) -> None:
        self._span = span
        self.traceparent = traceparent
        if span is not None:
            at = span.get_span_context()
            self.traceparent = f"00-{at.trace_id:032x}-{at.span_id:016x}-{int(at.trace_flags):02x}"

    def set(self, attributes: Attributes) -> None:
        """Add attributes; those that are None are left out."""
        if self._span is not None:
            self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def fail(self, error_type: str) -> None:
        """Mark it as failed: with a class or a code of errors, never with a message, which may quote texts."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415

            self._span.set_attribute("error.type", error_type)
            self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End it, so that it is exported. A span that isn't ended is never seen."""
        if self._span is not None:
            self._span.end()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make it the parent of the spans that this thread begins inside."""
        if self._span is None:
            yield
            return
        from opentelemetry import trace  # noqa: PLC0415

        with trace.use_span(self._span, record_exception=False, set_status_on_exception=False):
            yield


class Tracer:
    """Begins the spans of one process. Made after the process was forked, since it has a thread."""

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer("charloom")

    @classmethod
    def of(cls, service: str, *, instance: str = "") -> "Tracer":
        """Make the tracer of a service, "charloom-web", say, and of one process of it; off unless traces are on."""
        if not are_traces_on():
            return cls()
        try:
            tracer = cls(_provider(service, instance))
        except ImportError as exc:
            log.warning("Variables OTEL_… ask for traces, but charloom[otel] isn't installed: %s", exc)
            return cls()
        atexit.register(tracer.close)  # a worker's processes end without this, and call it themselves
        return tracer

    def begin(
        self,
        name: str,
        *,
        parent: str | None = None,
        kind: Kind = "internal",
        attributes: Attributes | None = None,
        span_id: int | None = None,
        began_ms: int | None = None,
    ) -> Span:
        """Begin a span.

        Args:
            name: what it is, of few values: no ids.
            parent: the traceparent of its parent; None: the thread's current span, or a new trace.
            kind: OpenTelemetry's kind of span.
            attributes: by their full names.
            span_id: None: at random.
            began_ms: ms since 1970; None: now.
        """
        if self._tracer is None:
            return Span(parent)
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        self._provider.id_generator.next.span_id = span_id
        span = Span(
            span=self._tracer.start_span(
                name,
                context=None if parent is None else _context(parent),
                kind=SpanKind[kind.upper()],
                start_time=None if began_ms is None else began_ms * 1_000_000,
            )
        )
        span.set(attributes or {})
        return span

    @contextmanager
    def span(self, name: str, *, attributes: Attributes | None = None) -> Iterator[Span]:
        """Run a block as a span below the current one."""
        span = self.begin(name, attributes=attributes)
        try:
            with span.current():
                yield span
        except Exception as exc:
            span.fail(type(exc).__name__)
            raise
        finally:
            span.end()

    def close(self) -> None:
        """Export what has ended, within `_CLOSE_S` seconds; nothing is exported afterwards."""
        if self._provider is not None:
            closing = threading.Thread(target=self._provider.shutdown, daemon=True)
            closing.start()
            closing.join(_CLOSE_S)


#: What traces are where they are off.
NO_SPAN, NO_TRACER = Span(), Tracer()


class _Ids:
    """OpenTelemetry's IdGenerator: random ids, but for a span whose id is given, in `next`."""

    def __init__(self) -> None:
        self.next = threading.local()

    def generate_span_id(self) -> int:
        given, self.next.span_id = getattr(self.next, "span_id", None), None
        return given or secrets.randbits(64) or 1

    def generate_trace_id(self) -> int:
        return secrets.randbits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True


def _context(traceparent: str) -> Any:
    from opentelemetry import trace  # noqa: PLC0415

    _, trace_hex, span_hex, flags = traceparent.split("-")
    at = trace.SpanContext(int(trace_hex, 16), int(span_hex, 16), True, trace.TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(trace.NonRecordingSpan(at))


def _provider(service: str, instance: str) -> Any:
    """Make what samples, batches and exports spans, all as the standard variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    ours = {"service.name": service, "service.instance.id": instance}
    given = {name: value for name, value in ours.items() if value} | dict(OTELResourceDetector().detect().attributes)
    provider = TracerProvider(resource=Resource.create(given), id_generator=_Ids(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
