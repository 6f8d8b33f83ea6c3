#pragma once

#include <chrono>
#include <string>

namespace c10d {
class Store;
}

namespace expo {

/// What a rank tells the others before they talk.
struct RankIntroduction {
  std::string backend;  ///< "gloo" or "nccl"
  std::string gpu;      ///< which one it is, on which machine; empty for a processor
};

/// Waits until all ranks have introduced themselves, and compares. Ranks that would talk past each
/// other, or share a GPU, otherwise wait for each other without a word. Throws Error(usage) naming
/// both ranks; c10::Error where one does not come in time.
void introduce(c10d::Store& store, int rank, int size, const RankIntroduction& self,
               std::chrono::milliseconds patience);

}  // namespace expo
