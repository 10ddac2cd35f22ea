"""All attacks by area: what `test_hostile.py` runs, and what `docs/hostile-programs.md` tells."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .attack import Attack
from .attacks_on_machine import ATTACKS_ON_MACHINE
from .attacks_on_results import ATTACKS_ON_RESULTS

__all__ = ["AREAS"]

AREAS: Mapping[str, Mapping[str, Attack]] = MappingProxyType(ATTACKS_ON_MACHINE | ATTACKS_ON_RESULTS)
