"""An organization's custom ONNX model, checked and run in a separate, confined process."""
