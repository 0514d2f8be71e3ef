"""Analyse CloudWatch Logs export tasks: what failed, how long they take, what is missing in S3.

`import exportstats as xs` provides every public name; `__init__.pyi` lists them. Each is imported
on first use, so that boto3, matplotlib and pandas are only imported when they are needed.
"""

from typing import TYPE_CHECKING

if not TYPE_CHECKING:
    import lazy_loader

    __getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
