"""Networks over packed rows."""
