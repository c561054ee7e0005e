"""Microsoft 365 and Exchange Online, by Microsoft Graph."""
