//! Export: network to ONNX, checked.
