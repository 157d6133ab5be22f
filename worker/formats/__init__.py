"""Model files: the bundle and the seed document's file, written and read with every check."""
