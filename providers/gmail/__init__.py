"""Gmail, by google-api-python-client."""
