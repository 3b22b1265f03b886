"""A stand-in for PyTorch, for images without it: tells of GPUs by their device nodes only, and computes nothing."""
import glob
import os
import sys


class cuda:
    @staticmethod
    def is_available() -> bool:
        nodes = glob.glob("/dev/autogit-standin-gpu*") + glob.glob("/dev/nvidia[0-9]*")
        if not nodes:
            sys.exit("torch: a stand-in, not PyTorch: found no GPU")
        print(f"torch: a stand-in, not PyTorch: found the devices {' '.join(nodes)}, "
              f"AUTOGIT_STANDIN_GPU={os.environ.get('AUTOGIT_STANDIN_GPU', '')}; CUDA is not tried", flush=True)
        return True
