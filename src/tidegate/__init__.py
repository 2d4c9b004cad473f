"""Tidegate: continuous delivery for web applications."""

__version__ = "0.1.0"
