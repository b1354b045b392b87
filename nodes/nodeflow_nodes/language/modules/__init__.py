"""Small torch modules for what the cold path needs, with transformers' parameter names.

Importing transformers' Llama costs more than twice what `import torch` does, so it is written here in plain torch;
every other architecture comes from the library.
"""
