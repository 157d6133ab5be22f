"""A stand-in for a bench: finds what must not be."""

import sys

sys.stdout.write('{"bench": "wrong", "losses off by": 0.5}\n')
raise SystemExit("not as it must be: losses off by")
