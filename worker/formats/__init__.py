"""Model files: writing, checking and reading bundles and files of the seed document."""
