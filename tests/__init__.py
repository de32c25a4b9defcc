"""The suite: rooms that several tests share lie here, beside their folders."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
