"""`python -m loadtests.benchmark`: what the service does, beside what it could be doing."""
