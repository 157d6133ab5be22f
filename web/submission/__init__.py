"""From a request to a queued job, the same way for the API and for the pages."""
