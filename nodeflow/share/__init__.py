"""Sharing: what lets another lab run a recipe and know whether it got the same."""
