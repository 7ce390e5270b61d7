"""How fast this machine multiplies matrices: python -m bench_peers.matrix_rate DTYPE prints GFLOP/s.

The product is that of a ViT-B's widest layer on some five photos. TensorFlow does it, since its kernels are the faster
ones of those that are here anyway.
"""

import sys
import time

from kerasfusion.machine.amx import avoid_broken_amx

ROWS, DEPTH, COLUMNS = 1024, 768, 3072
REPEATS = 50


def main(dtype: str) -> None:
    """Print the best of some repeats."""
    avoid_broken_amx("tensorflow")
    import tensorflow as tf

    a, b = (tf.cast(tf.random.normal(shape), dtype) for shape in ((ROWS, DEPTH), (DEPTH, COLUMNS)))
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        tf.matmul(a, b).numpy()
        seconds.append(time.perf_counter() - begin)
    print(2 * ROWS * DEPTH * COLUMNS / min(seconds) / 1e9)


if __name__ == "__main__":
    main(sys.argv[1])
