"""read_files.py FILE…: measures what the disk and the memory allow. Reads the files in four threads; prints the seconds.

--into-memory  keeps them, in one new piece of memory as large as they are: what whoever loads weights cannot do without
--cached       takes them from the page cache; else by direct I/O
"""

import argparse
import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor
from threading import local

THREADS, BLOCK = 4, 8 << 20
OWN = local()


def new_memory(size):
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # direct I/O needs whole pages
    memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)


def own_buffer():
    if not hasattr(OWN, "buffer"):
        OWN.buffer = new_memory(BLOCK)
    return OWN.buffer


def blocks(sizes):
    """Lists (index of the file, offset in it) for every block."""
    return [(index, offset) for index, size in enumerate(sizes) for offset in range(0, size, BLOCK)]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--into-memory", action="store_true")
    parser.add_argument("--cached", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    start = time.perf_counter()
    flags = os.O_RDONLY | (0 if arguments.cached else os.O_DIRECT)
    descriptors = [os.open(path, flags) for path in arguments.files]
    work = blocks([os.fstat(descriptor).st_size for descriptor in descriptors])
    memory = new_memory(len(work) * BLOCK) if arguments.into_memory else None

    def read(number):
        index, offset = work[number]
        target = own_buffer() if memory is None else memory[number * BLOCK:(number + 1) * BLOCK]
        os.preadv(descriptors[index], [target], offset)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(len(work))))
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
