"""A small convolutional network in ONNX Runtime: the GPU's results beside the processor's, from the same seed.

    network.py --float | --half
"""

import sys

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

GPU = "ROCMExecutionProvider"


def network(number):
    """Convolution, ReLU, max-pooling, convolution, ReLU, matrix product."""
    random = numpy.random.default_rng(20)
    shapes = {"w1": (16, 3, 3, 3), "b1": (16,), "w2": (32, 16, 3, 3), "b2": (32,), "w3": (32 * 8 * 8, 10), "b3": (10,)}
    weights = [
        numpy_helper.from_array((random.standard_normal(shape) * 0.1).astype(number), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Flatten", ["r2"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["scores"]),
    ]
    kind = helper.np_dtype_to_tensor_dtype(numpy.dtype(number))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", kind, (2, 3, 16, 16))],
        [helper.make_tensor_value_info("scores", kind, (2, 10))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def scores(model, provider, image):
    """Runs it wholly on one provider: what that lacks is an error, not a way back to the processor."""
    options = onnxruntime.SessionOptions()
    if provider == GPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = onnxruntime.InferenceSession(model, options, providers=[provider])
    if session.get_providers()[0] != provider:
        sys.exit(f"error {provider} is not there, but {session.get_providers()}")
    return session.run(None, {"image": image})[0].astype(numpy.float64)


def main():
    number, bound = (numpy.float16, 2e-2) if "--half" in sys.argv else (numpy.float32, 1e-5)
    model = network(number)
    image = numpy.random.default_rng(7).standard_normal((2, 3, 16, 16)).astype(number)
    want = scores(model, "CPUExecutionProvider", image)
    found = scores(model, GPU, image)
    error = numpy.abs(found - want).max() / numpy.abs(want).max()
    good = bool(error <= bound)
    print(f"{'ok' if good else 'FAIL'} network {number.__name__}: relative error {error:.1e}, allowed {bound:.0e}")
    print(f"# network: passed={int(good)} failed={int(not good)}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
