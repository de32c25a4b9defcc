"""Tests of the clients in `docs/clients`, and of the descriptions that they are generated from."""
