"""What each role must not be able to do, tried as that role."""
