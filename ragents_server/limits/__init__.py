"""Limits: how often each user and each tenant may ask, and how much of a model they may use."""
