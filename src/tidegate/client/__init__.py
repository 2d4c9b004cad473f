"""The light HTTP client of the agent: standard library only, so that commands start quickly."""
