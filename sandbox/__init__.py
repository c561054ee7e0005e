"""A pretend Google and Microsoft that the product meets over sockets only."""
