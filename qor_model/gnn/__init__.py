"""Hierarchical graph networks on top of the analytical model (arXiv 2401.08696, and beyond it).

Only `encode`, `samples` and `targets` may be imported without PyTorch.
"""
