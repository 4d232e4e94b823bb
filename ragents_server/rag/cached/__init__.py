"""The parts of an answer with a cache around each; every wrapper plays the role of what it wraps."""
