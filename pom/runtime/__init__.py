"""Running kernels: the reference interpreter, the JIT, compiled C++, and their comparison."""
