"""Tests of the suite's own helpers."""
