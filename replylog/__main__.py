"""`python -m replylog` is the command `replylog`."""

from replylog.cli import main

main(prog_name="replylog")
