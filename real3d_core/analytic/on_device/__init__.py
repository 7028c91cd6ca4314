"""The frames of the built-in avatar by plain PyTorch on any device: adapt (`bending`), where rays arrive (`places`), compose (`composer`).

The readable twin of the fast path that processors take. The mathematics are the same; but all frames of a chunk go through each step at
once, whole maps take the place of boxes and lists, and nothing waits for a number, so the device is never waited for within a chunk.
What is made once per portrait is made on the processor and moved (`moved`). float32 alone, no NumPy, no OpenCV.
"""
