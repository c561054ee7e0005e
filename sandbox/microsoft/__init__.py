"""A pretend Entra ID and Microsoft Graph mail."""
