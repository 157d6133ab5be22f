"""One of pytest-xdist's workers, as execnet starts it, but forked: it finds the libraries loaded."""

import sys

exec(eval(sys.stdin.readline()))  # noqa: S102, S307  (the line that execnet has `python -c` read)
