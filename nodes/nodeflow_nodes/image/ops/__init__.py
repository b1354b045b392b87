"""What the image nodes compute with: tensors and picture files. Imported by the nodes' bodies only (needs torch)."""
