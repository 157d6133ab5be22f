"""A stand-in for a bench: finds what must not be."""

from bench.common import Row, report

report(bench="wrong", rows=[Row(what="losses off by", unit="share", ours=0.5, most=1e-4, must=True)])
