"""Times a torchvision network on this machine's GPU with PyTorch, dense, for scripts/bench/gpu.mjs.

usage: torch-dense.py NETWORK SIZE RUNS PRECISION BATCH...
Prints one JSON document: the GPU's name, and by batch the median milliseconds or null where memory does not do.
"""

import json
import statistics
import sys

import torch
import torchvision

name, size, runs, precision, *batches = sys.argv[1:]
if not torch.cuda.is_available():
    sys.exit("PyTorch finds no GPU")
# Plain float32, as the engine computes: no TensorFloat-32.
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
dtype = {"f32": torch.float32, "f16": torch.float16}[precision]
network = torchvision.models.get_model(name, weights=None).eval().to("cuda", dtype)
network = network.to(memory_format=torch.channels_last)
times = {}
for batch in map(int, batches):
    try:
        images = torch.randn(batch, 3, int(size), int(size), device="cuda", dtype=dtype)
        images = images.to(memory_format=torch.channels_last)
        measured = []
        with torch.inference_mode():
            for run in range(int(runs) + 3):
                start = torch.cuda.Event(enable_timing=True)
                end = torch.cuda.Event(enable_timing=True)
                start.record()
                network(images)
                end.record()
                torch.cuda.synchronize()
                if run >= 3:
                    measured.append(start.elapsed_time(end))
        times[batch] = statistics.median(measured)
    except torch.cuda.OutOfMemoryError:
        times[batch] = None
print(json.dumps({"gpu": torch.cuda.get_device_name(), "ms": times}))
