"""Small torch modules for the architectures that the cold path needs, with diffusers' and transformers' key names.

Importing `diffusers.models` costs three times what `import torch` does (figures: docs/decisions/0004-import-cost.md),
so the transformer of SD3, CLIP's text encoder and the tiny autoencoder are written here in plain torch. Each has the
same parameters under the same names as the published class, takes the same configuration, and gives the same bits in
float32 on a CPU (tests/diffusion_loading/test_modules.py compares them). Everything else comes from the libraries.
"""
