"""The main job: a kernel and a device in, a checked accelerator out."""
