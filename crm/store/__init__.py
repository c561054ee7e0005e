"""The only SQL. Functions take a connection first and say which account they mean."""
