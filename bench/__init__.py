"""Measurements of Tidegate against what it stands on: the container engine and HAProxy.

Nothing here is part of the product and nothing in the product may import it. Each figure is taken in the
same run, on the same machine and in turns with the thing it is compared to; `docs/benchmarks.md` says how.
"""
