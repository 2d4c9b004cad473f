"""The command line: parse, call a use case or the agent, render. No decisions."""
