"""The audit log: who did what, by what, from where, when. Written once, read with a trace."""

from cameras.audit.actions import Action
from cameras.audit.notes import note

__all__ = ["Action", "note"]
