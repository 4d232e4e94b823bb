"""Admission: who may work now, and who waits or is sent away when too much is asked."""
