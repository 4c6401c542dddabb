"""Times a torchvision network with PyTorch, dense, for scripts/bench/gpu.mjs.

usage: torch-dense.py [--cpu] NETWORK SIZE RUNS PRECISION BATCH...

Prints one JSON document: what computed, and by batch the median milliseconds, or null where memory does not do.
Precision is f32 (without TensorFloat-32, as the engine computes) or f16. Without --cpu a GPU is needed.
"""

import argparse
import json
import statistics
import sys
import time

parser = argparse.ArgumentParser(prog="torch-dense.py")
parser.add_argument("--cpu", action="store_true", help="compute on the processor: to try the script")
parser.add_argument("network")
parser.add_argument("size", type=int)
parser.add_argument("runs", type=int)
parser.add_argument("precision", choices=["f32", "f16"])
parser.add_argument("batches", type=int, nargs="+")
options = parser.parse_args()

try:
    import torch
    import torchvision
except ImportError as error:
    sys.exit(str(error))

if not options.cpu and not torch.cuda.is_available():
    sys.exit("PyTorch finds no GPU")
device = "cpu" if options.cpu else "cuda"
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
dtype = {"f32": torch.float32, "f16": torch.float16}[options.precision]
network = torchvision.models.get_model(options.network, weights=None).eval().to(device, dtype)
network = network.to(memory_format=torch.channels_last)


def milliseconds(images):
    """One run: by the GPU's own clock, or the processor's."""
    if device == "cpu":
        before = time.perf_counter()
        network(images)
        return 1e3 * (time.perf_counter() - before)
    start = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    start.record()
    network(images)
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


WARM_UP = 3
times = {}
for batch in options.batches:
    try:
        images = torch.randn(batch, 3, options.size, options.size, device=device, dtype=dtype)
        images = images.to(memory_format=torch.channels_last)
        with torch.inference_mode():
            measured = [milliseconds(images) for _ in range(options.runs + WARM_UP)]
        times[batch] = statistics.median(measured[WARM_UP:])
    except torch.cuda.OutOfMemoryError:
        times[batch] = None
        torch.cuda.empty_cache()
name = "the processor" if device == "cpu" else torch.cuda.get_device_name()
print(json.dumps({"device": name, "version": torch.__version__, "ms": times}))
