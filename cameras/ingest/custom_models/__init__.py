"""An organization's own ONNX model: checked and run in a process of its own, never in ours."""
