"""`python -m bench NAME`: run one benchmark."""

import sys


def main() -> int:
    """Dispatch to the benchmark's own `main`; its options follow its name."""
    name, options = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if name == "lead_time":
        from bench import lead_time

        return lead_time.main(options)
    if name == "switch":
        from bench import switch

        return switch.main(options)
    print("usage: script/bench lead_time|switch [--help]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
