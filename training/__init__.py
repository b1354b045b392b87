"""Training of nodeflow's built-in models, on pictures these scripts draw themselves.

Run a stage with ``python -m training.<stage>``; see ``README.md`` in this folder. Nothing here is imported by the
engine or by the node packs: what they use are the files that ``training.export`` writes.
"""
