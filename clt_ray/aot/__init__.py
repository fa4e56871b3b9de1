"""What a training step needs of a TPU slice, found out by its compiler on a machine without one."""
