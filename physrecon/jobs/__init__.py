"""Jobs: complete descriptions of a task, as frozen values.

Names load when they are first used: a command that has no job does without pydantic."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
