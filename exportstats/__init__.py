"""Answers about CloudWatch Logs export tasks: what failed, how long they take, what is missing.

`import exportstats as xs` gives every public name; they are listed in `__init__.pyi`. Each is
imported when it is first used, so that neither boto3 nor matplotlib nor pandas costs anything
before.
"""

from typing import TYPE_CHECKING

if not TYPE_CHECKING:
    import lazy_loader

    __getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
