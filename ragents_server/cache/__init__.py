"""The cache: layers of entries, in this process and in a Redis that replicas share; forgetful, never wrong."""
