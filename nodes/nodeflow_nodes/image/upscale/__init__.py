"""Upscale models: what a file holds (`detect`), the networks (`networks`), and running them in tiles (`tiles`)."""
