"""How a replica is asked whether it is ready."""
