"""Prompts: weights, tokens, encoders. `weights` and `tokenize` know no torch; `encode` does."""
