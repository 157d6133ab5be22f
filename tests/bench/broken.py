"""A stand-in for a bench: breaks before it has found anything."""

import sys

sys.stdout.write("about to break\n")
raise RuntimeError("broken as asked")
