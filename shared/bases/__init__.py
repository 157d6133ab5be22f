"""Bases: models of a language, from which trainings on a text of that language start."""
