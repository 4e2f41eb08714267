"""Jobs: complete descriptions of a task, as frozen values."""
