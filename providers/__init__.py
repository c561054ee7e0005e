"""Where mail lives: one adapter a provider behind `MailClient`, and the consents to read there."""
