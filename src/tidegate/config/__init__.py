"""Files -> pydantic models -> domain objects."""
