"""A stand-in for a bench: finds one thing as good as wanted and one that is slower. Loads no torch."""

import json
import sys

NOTHING = {"peer": None, "ratio": None, "least_ratio": None, "most": None}
QUICK = {"what": "quick enough", "unit": "ms", "ours": 2.0, "peer": 8.0, "ratio": 4.0, "least_ratio": 3.0, "met": True}
SLOW = {"what": "too slow", "unit": "s", "ours": 12345.0, "most": 10.0, "met": False}

sys.stdout.write(f"on the way {' '.join(sys.argv[1:])}\n")
found = {"bench": "good", "given": sys.argv[1:], "rows": [NOTHING | QUICK, NOTHING | SLOW], "machine": {}}
sys.stdout.write(json.dumps(found) + "\n")
