"""What providers call: verify, parse, ring the bell, answer. Imports no provider SDK."""
