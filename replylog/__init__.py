"""The command `replylog`: starts each role; the only package that knows them all."""
