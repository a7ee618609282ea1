"""What may be wrong with data before it is learnt from."""
