"""Reading models: what a file or folder is (no torch), and how it becomes modules (torch, in the functions' bodies).

`header` reads a safetensors header, `detect` says what a file is, `families` knows the configurations of published
models, `folder` reads diffusers folders; all of them give the descriptions of `spec`, without torch. `tensors` reads
weights, `build` makes modules of descriptions, `denoisers`, `vaes`, `control` wrap them for sampling; these import
torch and are imported by node bodies only.
"""
