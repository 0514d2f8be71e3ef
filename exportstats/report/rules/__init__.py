"""Collect the rules of the report: every `Rule` in a module of this package."""

from __future__ import annotations

import importlib
import pkgutil

from exportstats.report.rule import Rule

_MODULES = [
    importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
]

RULES: tuple[Rule, ...] = tuple(
    sorted(
        {
            value
            for module in _MODULES
            for value in vars(module).values()
            if isinstance(value, Rule)
        },
        key=lambda rule: (rule.rank, rule.kind),
    )
)
