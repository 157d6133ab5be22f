"""HTTP: endpoints, validation, problems, uploads and the types of the responses."""
