"""The pretend Google: sign-in, Gmail and Pub/Sub."""
