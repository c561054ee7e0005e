"""What we know: the vocabulary, the rules and mail reading (pure), and the database."""
