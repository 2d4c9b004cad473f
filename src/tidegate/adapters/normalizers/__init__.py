"""Adapters of the `ComposeNormalizer` port."""
