"""Output and input at the terminal: consoles, tables, progress bars, prompts."""
