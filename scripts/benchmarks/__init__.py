"""Speed figures: each bench starts what it needs on loopback, bounds its load, and ends it all."""
