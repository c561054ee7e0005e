"""The REST API under /api/v1, for programs: JSON in and out, a key in each request."""
