"""Mixed random faults against a whole Charloom that is at work; see bench/README.md."""
