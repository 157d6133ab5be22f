"""The commands of `charloom`, a file for each group, and what they share."""
