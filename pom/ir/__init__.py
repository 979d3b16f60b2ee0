"""Value types of the levels: types, affine expressions, the graph and polyhedral programs.

Nothing here imports MLIR, and nothing here imports a package above it.
"""
