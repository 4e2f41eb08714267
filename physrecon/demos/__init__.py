"""The whole way on known objects."""
