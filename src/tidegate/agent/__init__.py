"""The resident process that owns the environments of one Docker host: serve, supervise, resume. No decisions."""
