"""Hostile traffic: what a stranger may send, and what the server is like afterwards."""
