"""From finished runs to findings: tidy frames, transfer measures with their uncertainty, tables and figures.

Start at `study.Study.of(scores, items)`, then `tables` for frames and `plots` for figures of them. Nothing is imported
here, so that a program which needs one module does not wait for matplotlib.
"""
