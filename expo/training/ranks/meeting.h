#pragma once

#include <chrono>
#include <string>

namespace c10d {
class Store;
}

namespace expo {

/// What a rank tells the others before they communicate.
struct RankIntroduction {
  std::string backend;  ///< "gloo" or "nccl"
  std::string gpu;      ///< identity of the GPU and its machine; empty for a CPU
};

/// Waits until all ranks have introduced themselves, and compares them. Otherwise, ranks with
/// different backends or with the same GPU would wait for each other silently. Throws Error(usage)
/// naming both ranks, and c10::Error if a rank does not arrive in time.
void introduce(c10d::Store& store, int rank, int size, const RankIntroduction& self,
               std::chrono::milliseconds patience);

}  // namespace expo
