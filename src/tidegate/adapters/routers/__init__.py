"""What sends traffic to releases."""
