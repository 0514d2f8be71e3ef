"""Charts: each draws one table, computes nothing, and returns the axes."""

from typing import TYPE_CHECKING

if not TYPE_CHECKING:
    import lazy_loader

    __getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
