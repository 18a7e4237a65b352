"""Bodies that no device would send, thrown at the decoder, guided by the code they reach."""
