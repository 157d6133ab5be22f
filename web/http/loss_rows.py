"""The losses of a job or a model: the same rows for the API, the pages' table and the CSV file."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from web.http.schemas import Metric


def rows_of(measured: Sequence[Mapping[str, Any]]) -> list[Metric]:
    """Return what was measured as rows, oldest first."""
    return [Metric.of(row) for row in measured]


def reply_csv(rows: Sequence[Metric], name: str) -> Response:
    """Respond with losses as a CSV file (RFC 4180), with `name` in its file name."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(Metric.model_fields), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in rows)
    response = Response(out.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-losses.csv"'
    return response
