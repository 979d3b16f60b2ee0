"""The user's surface: kernels written in Python are recorded as `pom.ir.graph.Kernel` values.

`kernel` runs a function once with symbolic arguments (`values`, `arrays`), `recorder` collects the
statements with the loops and guards around them (`loops`, `statements`), and the checks decide on
the finished kernel (`check_bounds`, `check_initialized`). `load` finds a kernel in a file.
"""
