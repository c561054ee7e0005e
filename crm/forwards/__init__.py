"""The message that somebody forwarded, found within the message they forwarded it with. Pure."""
