"""A stand-in for a bench: finds one thing as good as wanted and one that is slower."""

import sys

from bench.common import Row, report

sys.stdout.write(f"on the way {' '.join(sys.argv[1:])}\n")
report(
    bench="good",
    given=sys.argv[1:],
    rows=[
        Row(what="quick enough", unit="ms", ours=2.0, peer=8.0, ratio=4.0, least_ratio=3.0),
        Row(what="too slow", unit="s", ours=12345.0, most=10.0),
    ],
)
