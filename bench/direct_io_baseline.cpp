// direct_io_baseline THREADS BLOCK_MB OUT_FOLDER A1 B1 [A2 B2 ...]
//
// Measures what the disk allows: reads the files A and B of every pair and writes a file of A's
// size, by direct I/O, in threads that overlap, and syncs at the end. It does no arithmetic and no
// parsing. Prints the seconds and the bytes moved.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::uint64_t kPage = 4096;

struct Pair {
  int a = -1;
  int b = -1;
  int out = -1;
  std::uint64_t size = 0;  ///< size of the output, in whole pages
};

struct Block {
  std::size_t pair = 0;
  std::uint64_t offset = 0;
  std::size_t length = 0;
};

[[noreturn]] void fail(const std::string& what) {
  std::perror(("direct_io_baseline: " + what).c_str());
  std::exit(4);
}

int open_or_fail(const std::string& path, int flags) {
  int file = open(path.c_str(), flags | O_DIRECT | O_CLOEXEC, 0644);
  if (file < 0 && errno == EINVAL) file = open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (file < 0) fail(path);
  return file;
}

Pair open_pair(const std::string& a, const std::string& b, const std::string& out) {
  Pair pair;
  pair.a = open_or_fail(a, O_RDONLY);
  pair.b = open_or_fail(b, O_RDONLY);
  pair.out = open_or_fail(out, O_WRONLY | O_CREAT | O_TRUNC);
  struct stat status {};
  if (fstat(pair.a, &status) != 0) fail(a);
  pair.size = (static_cast<std::uint64_t>(status.st_size) + kPage - 1) / kPage * kPage;
  if (fallocate(pair.out, 0, 0, static_cast<off_t>(pair.size)) != 0) fail(out);
  return pair;
}

std::vector<Block> cut(const std::vector<Pair>& pairs, std::size_t block_size) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    for (std::uint64_t offset = 0; offset < pairs[i].size; offset += block_size) {
      const std::uint64_t rest = pairs[i].size - offset;
      blocks.push_back(
          {i, offset, static_cast<std::size_t>(std::min<std::uint64_t>(rest, block_size))});
    }
  }
  return blocks;
}

/// Reads up to the end of the file or of the buffer.
void read_block(int file, std::byte* to, const Block& block) {
  std::size_t done = 0;
  while (done < block.length) {
    const ssize_t count =
        pread(file, to + done, block.length - done, static_cast<off_t>(block.offset + done));
    if (count < 0) fail("read");
    if (count == 0) return;
    done += static_cast<std::size_t>(count);
    if (done % kPage != 0) return;  // the file's tail
  }
}

void write_block(int file, const std::byte* from, const Block& block) {
  std::size_t done = 0;
  while (done < block.length) {
    const ssize_t count =
        pwrite(file, from + done, block.length - done, static_cast<off_t>(block.offset + done));
    if (count <= 0) fail("write");
    done += static_cast<std::size_t>(count);
  }
}

void work(const std::vector<Pair>& pairs, const std::vector<Block>& blocks,
          std::atomic<std::size_t>& next, std::size_t block_size) {
  auto* a = static_cast<std::byte*>(std::aligned_alloc(kPage, block_size));
  auto* b = static_cast<std::byte*>(std::aligned_alloc(kPage, block_size));
  for (std::size_t i = next++; i < blocks.size(); i = next++) {
    const Pair& pair = pairs[blocks[i].pair];
    read_block(pair.a, a, blocks[i]);
    read_block(pair.b, b, blocks[i]);
    write_block(pair.out, b, blocks[i]);
  }
  std::free(a);
  std::free(b);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6 || argc % 2 != 0) {
    std::fprintf(stderr,
                 "usage: direct_io_baseline THREADS BLOCK_MB OUT_FOLDER A1 B1 [A2 B2 ...]\n");
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const std::size_t threads = std::stoul(argv[1]);
  const std::size_t block_size = std::stoul(argv[2]) << 20;
  std::vector<Pair> pairs;
  for (int i = 4; i + 1 < argc; i += 2) {
    const std::string out = std::string(argv[3]) + "/" + std::to_string(pairs.size()) + ".bin";
    pairs.push_back(open_pair(argv[i], argv[i + 1], out));
  }
  const std::vector<Block> blocks = cut(pairs, block_size);
  std::atomic<std::size_t> next{0};
  std::vector<std::jthread> workers;
  for (std::size_t i = 0; i < threads; ++i)
    workers.emplace_back([&] { work(pairs, blocks, next, block_size); });
  workers.clear();
  std::uint64_t bytes = 0;
  for (const Pair& pair : pairs) {
    if (fsync(pair.out) != 0) fail("fsync");
    bytes += 3 * pair.size;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.6f %llu\n", seconds.count(), static_cast<unsigned long long>(bytes));
  return 0;
}
