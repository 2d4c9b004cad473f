"""What the engine needs from the outside, one Protocol a file. Adapters implement them; nothing here does I/O."""
