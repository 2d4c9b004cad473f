"""The only place that imports adapters: wires them to ports."""
