"""A made-up torchvulkan, which makes tensors on `vulkan` possible: the made-up torch takes any device."""
