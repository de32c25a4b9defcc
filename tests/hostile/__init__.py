"""Hostile traffic, and the state of the server afterwards."""
