"""Direct reconstruction: closed formulas, no iterations."""
