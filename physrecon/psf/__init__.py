"""Point spread functions: models with physical parameters, and what measured beads tell."""
