// Measures how fast conversations are read, rendered, tokenized and masked for SFT:
//   preparation_speed MODEL DATA.jsonl [THREADS]      one line of JSON on standard output

#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/error.h"
#include "expo/text/chat_tokenizer.h"
#include "expo/training/data/example_set.h"

namespace {

using namespace expo;

ChatTokenizer tokenizer_of(const Checkpoint& checkpoint) {
  std::vector<TextFile> files;
  for (const Sidecar& sidecar : checkpoint.sidecars()) {
    files.push_back({sidecar.name, [content = sidecar.content] {
                       if (const auto* text = std::get_if<std::string>(&content)) return *text;
                       return posix_filesystem().read_text(
                           std::get<std::filesystem::path>(content));
                     }});
  }
  return ChatTokenizer::from_files(files, checkpoint.location());
}

std::int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * std::int64_t{1024};
}

int run(const char* model, const char* data, unsigned threads) {
  const auto checkpoint =
      open_checkpoint(posix_filesystem(), model, {}, hugging_face_environment());
  const ChatTokenizer tokenizer = tokenizer_of(*checkpoint);
  ExampleOptions options;
  options.max_length = 100'000;
  options.threads = threads;
  const std::int64_t before = peak_bytes();
  const auto start = std::chrono::steady_clock::now();
  const ExampleSet set = read_conversations([&] { return open_rows(posix_filesystem(), data); },
                                            tokenizer, options, CancellationToken());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  // Before anything reads the tokens, whose pages count as the process's once they are touched.
  const std::int64_t peak = peak_bytes();
  std::int64_t tokens = 0;
  std::int64_t counted = 0;
  for (const Example& example : set.examples) {
    tokens += example.tokens();
    for (const bool counts : example.rows.front().counts) counted += counts;
  }
  const Json result = {{"rows", set.counts.rows}, {"tokens", tokens},
                       {"counted", counted},      {"seconds", seconds.count()},
                       {"peak_bytes", peak},      {"peak_bytes_before", before},
                       {"digest", set.digest}};
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: preparation_speed MODEL DATA.jsonl [THREADS]\n";
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 0);
  } catch (const expo::Error& error) {
    std::cerr << error.what() << "\n";
    return expo::exit_code(error.category());
  }
}
