#include "expo/extrapolation/diagnosis/ties.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "expo/core/parallel.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/plan/tensor_blocks.h"

namespace expo {
namespace {

constexpr std::size_t kRun = 2048;
using Run = std::array<double, kRun>;

std::byte* bytes(Run& run) {
  return reinterpret_cast<std::byte*>(run.data());
}

/// Rounds float64 values to `type` and back.
void round_to(DType type, Run& in, Run& out, std::size_t count) {
  Run narrow;
  convert_values(bytes(in), DType::f64, bytes(narrow), type, count);
  convert_values(bytes(narrow), type, bytes(out), DType::f64, count);
}

/// A value v with nearest number r lies exactly halfway if and only if v is not a number of the
/// type but the mirror image 2v − r is: that is then the other neighbour.
std::uint64_t count_run(Run& values, DType to, std::size_t count) {
  Run nearest;
  Run mirrored;
  Run neighbour;
  round_to(to, values, nearest, count);
  for (std::size_t i = 0; i < count; ++i) mirrored[i] = values[i] + (values[i] - nearest[i]);
  round_to(to, mirrored, neighbour, count);
  std::uint64_t ties = 0;
  for (std::size_t i = 0; i < count; ++i) {
    ties += std::isfinite(nearest[i]) && std::isfinite(neighbour[i]) && values[i] != nearest[i] &&
            neighbour[i] == mirrored[i];
  }
  return ties;
}

bool holds(DType wide, DType narrow) {
  return wide == narrow || wide == DType::f64 || (wide == DType::f32 && narrow != DType::f64);
}

}  // namespace

DType serving_type(const Tensor& tensor, std::optional<DType> asked) {
  if (asked) return *asked;
  const bool narrow = tensor.nominal == DType::f16 || tensor.nominal == DType::bf16;
  return narrow ? tensor.nominal : DType::bf16;
}

DType serving_type(const Checkpoint& checkpoint, std::optional<DType> asked) {
  std::map<DType, std::uint64_t> amounts;
  for (const Tensor& tensor : checkpoint.tensors()) {
    if (supports_arithmetic(tensor.dtype))
      amounts[serving_type(tensor, asked)] += tensor.elements();
  }
  return main_dtype(amounts);
}

std::uint64_t count_ties(std::span<const std::byte> values, DType from, DType to) {
  if (holds(to, from)) return 0;
  const std::size_t width = byte_width(from);
  const std::size_t elements = values.size() / width;
  std::uint64_t ties = 0;
  Run run;
  for (std::size_t done = 0; done < elements; done += kRun) {
    const std::size_t count = std::min(kRun, elements - done);
    convert_values(values.data() + done * width, from, bytes(run), DType::f64, count);
    ties += count_run(run, to, count);
  }
  return ties;
}

double tie_share(const Checkpoint& checkpoint, std::optional<DType> asked, bool sample,
                 unsigned threads, const CancellationToken& cancellation) {
  std::vector<TensorBlock> blocks;
  std::uint64_t elements = 0;
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const Tensor& tensor = checkpoint.tensors()[i];
    if (!supports_arithmetic(tensor.dtype)) continue;
    append_blocks(i, tensor.elements(), 0, sample, blocks);
  }
  for (const TensorBlock& block : blocks) elements += block.count;
  std::vector<std::uint64_t> ties(blocks.size());
  if (threads == 0) threads = available_threads();
  std::vector<ReadScratch> scratch(threads);
  parallel_for(blocks.size(), threads, [&](std::size_t index, unsigned worker) {
    cancellation.check();
    const TensorBlock& block = blocks[index];
    const Tensor& tensor = checkpoint.tensors()[block.tensor];
    const DType to = serving_type(tensor, asked);
    if (holds(to, tensor.dtype)) return;
    ties[index] = count_ties(
        checkpoint.read(block.tensor, block.first, block.count, scratch[worker]), tensor.dtype, to);
  });
  if (elements == 0) return 0;
  return static_cast<double>(std::reduce(ties.begin(), ties.end())) / static_cast<double>(elements);
}

std::string tie_sentence(const std::string& place, double share, DType type,
                         const std::string& remedy) {
  if (share < kManyTies) return {};
  return fmt::format(
      "{}: {:.1f} % of the values lie exactly halfway between two numbers of {}, where even the "
      "smallest training step tips each to one side, so rounding to nearest makes the step much "
      "larger than it was; {} (docs/rounding.md)",
      place, 100 * share, torch_name(type), remedy);
}

}  // namespace expo
