"""What answers about charging cost: see __main__."""
