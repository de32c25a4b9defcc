"""What a worker captures: the source as it is configured, with the rules that hold for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cameras.ingest.worker.masks import Masks


@dataclass(frozen=True, slots=True)
class Source:
    """What is captured, and what the camera itself does not tell.

    `aspect` is that of the upright picture (`16:9`), `square` for square pixels, or `auto`: as
    the camera says. `decoder` is as that of `Demuxer`, `allow_loopback` and `listed` are as in
    `address_rules.Rule`.
    """

    kind: str
    source: str
    media_root: Path
    allow_loopback: bool = False
    listed: frozenset[str] = frozenset()
    aspect: str = "auto"
    decoder: str = ""
    masks: Masks = field(default_factory=Masks)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Source:
        """From a configuration as workers get it (`ingest.configurations`)."""
        return cls(
            config["kind"],
            config["source"],
            Path(config["media_root"]),
            bool(config["allow_loopback"]),
            frozenset(config.get("listed", ())),
            config.get("aspect", "auto"),
            config.get("decoder", ""),
            Masks(config.get("masks", ())),
        )
