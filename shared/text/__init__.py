"""Text: vocabulary, normal form, reading it in pieces, prompts. No tensors."""
