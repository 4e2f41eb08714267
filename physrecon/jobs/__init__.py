"""What is to be done, as frozen values."""
