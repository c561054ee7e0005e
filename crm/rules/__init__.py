"""The logging rules: pure functions over headers and context, in the order they are asked."""
