"""The caller's place in a trace (https://www.w3.org/TR/trace-context/), which the service continues.

OpenTelemetry isn't needed, nor imported: where the caller's program uses it, it is loaded already.
"""

import sys
from collections.abc import Mapping


def trace_headers(inherited: str | None) -> Mapping[str, str]:
    """Return the header that names OpenTelemetry's current span, or the inherited one, if there is either."""
    found = inherited
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None and (at := trace.get_current_span().get_span_context()).is_valid:
        found = f"00-{at.trace_id:032x}-{at.span_id:016x}-{int(at.trace_flags):02x}"
    return {"traceparent": found} if found and found.isascii() and found.isprintable() else {}
