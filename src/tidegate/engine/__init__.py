"""The use cases, told in order. They know ports, never adapters."""
