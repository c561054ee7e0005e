"""What people use: sign-in, connecting a mailbox, contacts and their timelines, the journal."""
