"""The ground floor: settings, secrets, logs, metrics, Redis. Knows nothing of mail."""
