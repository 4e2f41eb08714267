"""Projections of a volume and their exact transposes."""
