"""Where an agent keeps what cannot be observed."""
