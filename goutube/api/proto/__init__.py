"""Generated code and its sources, ordered as the packages are named."""
