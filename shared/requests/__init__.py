"""What a job can be asked to do: options, defaults, fitting to a text, estimates. Numbers only: no torch, no files."""
