"""The test suite. Modules here are shared by several of its packages."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
