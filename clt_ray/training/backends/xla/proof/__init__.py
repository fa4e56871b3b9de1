"""Memory and compile time of a training step on a TPU slice, from libtpu's compiler on a machine without a TPU.

Reading order: `trace` (the trainer's step as a program), `compile` (the program for a topology), `depth` (fewer
layers than the model has, where this machine lacks the memory for all), `prove` (the planned runs of a sweep).
"""
