"""Does a model fit its data?  The residual is tested, and causes are told by their patterns."""
