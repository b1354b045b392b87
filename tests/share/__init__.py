"""Tests of what is shared: locks, verification, differences."""
