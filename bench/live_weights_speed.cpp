// live_weights_speed SFT ALIGNED [--moves N] [--threads N] measures how long bfloat16 weights take
// to load and to move to another α, and how long a plain triad takes over the same number of bytes.
// Moves and triads take turns. Prints a line of JSON.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "expo/model/live/live_weights.h"
#include "speed_measures.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Request {
  std::string sft;
  std::string aligned;
  unsigned moves = 5;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
};

/// a[i] = b[i] + s · c[i] as in McCalpin's STREAM, over three arrays in memory: it reads two models
/// and writes one, as a move does. It uses float32, so that the arithmetic costs next to nothing.
class Triad {
 public:
  Triad(std::uint64_t bytes, unsigned threads)
      : size_(bytes / sizeof(float)),
        threads_(threads),
        a_(allocate()),
        b_(allocate()),
        c_(allocate()) {
    each_part([&](std::size_t first, std::size_t count) {  // touched by the thread that will use it
      std::fill_n(a_.get() + first, count, 0.0F);
      std::fill_n(b_.get() + first, count, 1.0F);
      std::fill_n(c_.get() + first, count, 2.0F);
    });
  }

  double seconds(float scale) {
    const auto start = Clock::now();
    each_part([&](std::size_t first, std::size_t count) {
      float* a = a_.get() + first;
      const float* b = b_.get() + first;
      const float* c = c_.get() + first;
      for (std::size_t i = 0; i < count; ++i) a[i] = b[i] + scale * c[i];
    });
    return expo::seconds_since(start);
  }

 private:
  /// Allocates an array without values; each_part sets the first ones.
  std::unique_ptr<float[]> allocate() const {
    return std::make_unique_for_overwrite<float[]>(size_);
  }

  template <typename Body>
  void each_part(Body&& body) {
    const std::size_t part = (size_ + threads_ - 1) / threads_;
    std::vector<std::jthread> workers;
    for (std::size_t first = 0; first < size_; first += part)
      workers.emplace_back(body, first, std::min(part, size_ - first));
  }

  std::size_t size_;
  unsigned threads_;
  std::unique_ptr<float[]> a_, b_, c_;
};

void run(const Request& request) {
  const expo::CancellationToken cancellation;
  const auto sft = expo::open_model(request.sft);
  const auto start = Clock::now();
  const auto aligned = expo::open_model(request.aligned);
  const auto architecture = expo::read_architecture(aligned->config(), aligned->location());
  expo::LiveWeights weights(architecture, aligned, sft,
                            {.dtype = expo::DType::bf16,
                             .rounding = expo::RoundingChoice::nearest,
                             .threads = request.threads},
                            cancellation);
  const double load_seconds = expo::seconds_since(start);
  const std::uint64_t bytes = expo::weight_bytes(weights.store());
  std::vector<double> moves;
  std::vector<double> triads;
  if (request.moves > 0) {
    Triad triad(bytes, request.threads);
    for (unsigned i = 0; i < request.moves; ++i) {
      const double alpha = 0.1 * (1 + i % 5);
      const auto begin = Clock::now();
      weights.move_to(expo::AlphaSchedule(alpha), cancellation);
      moves.push_back(expo::seconds_since(begin));
      triads.push_back(triad.seconds(static_cast<float>(alpha)));
    }
  }
  const expo::Json line = {{"weight_bytes", bytes},
                           {"load_seconds", load_seconds},
                           {"move_seconds", moves},
                           {"triad_seconds", triads}};
  std::cout << line.dump() << std::endl;
}

Request parse(CLI::App& program, int argc, char** argv) {
  Request request;
  program.add_option("sft", request.sft, "Checkpoint")->required();
  program.add_option("aligned", request.aligned, "Checkpoint")->required();
  program.add_option("--moves", request.moves, "Moves, and triads; 0: load only");
  program.add_option("--threads", request.threads, "Threads");
  program.parse(argc, argv);
  return request;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("Measures how fast weights load and move");
  try {
    run(parse(program, argc, argv));
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "live_weights_speed: " << error.what() << "\n";
    return 3;
  }
  return 0;
}
