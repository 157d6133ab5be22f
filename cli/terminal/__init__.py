"""What is printed: tables, progress, prompts, text that is safe to show."""
