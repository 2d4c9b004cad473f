"""Desired x observed -> Plan. Pure: no I/O, no clock, no randomness."""
