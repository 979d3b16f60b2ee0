"""The three levels as MLIR dialects: definition, builder, verifier, text."""
