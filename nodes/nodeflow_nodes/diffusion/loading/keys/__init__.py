"""Key conversions: from the names in a file to the names of the modules here, a module for each kind of network.

A conversion is a pure function from one key to the parameters it becomes: usually one under another name; three for
a fused query-key-value matrix (its rows are split, nothing is copied). So it works on names alone as well, and each is
tested against diffusers' own maps.
"""
