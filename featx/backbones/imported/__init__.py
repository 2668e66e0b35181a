"""Networks of a user's own, from an ONNX or a Keras file."""
