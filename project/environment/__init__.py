"""What the environment says, read by `settings.py` alone.

A bad value ends the start with one sentence that names the variable.
"""

from __future__ import annotations

from project.environment.addresses import Addresses, own_hosts
from project.environment.keys import Keys
from project.environment.servers import Servers
from project.environment.values import BadSetting

__all__ = ["BadSetting", "Environment", "own_hosts"]


class Environment(Addresses, Servers, Keys):
    """Typed reads of `SIDELINE_*` and friends; every one is optional."""
