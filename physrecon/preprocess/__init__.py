"""From raw counts to line integrals."""
