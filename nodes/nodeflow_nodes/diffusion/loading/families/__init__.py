"""Published architectures, recognised by key names and shapes alone, and their configurations.

Each module has functions that take a header and a prefix and give a description, or None if the keys are not theirs.
"""
