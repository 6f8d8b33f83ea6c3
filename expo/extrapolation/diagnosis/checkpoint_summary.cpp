#include "expo/extrapolation/diagnosis/checkpoint_summary.h"

#include <algorithm>
#include <map>

#include "expo/checkpoint/tied_head.h"
#include "expo/core/parallel.h"
#include "expo/extrapolation/diagnosis/model_files.h"
#include "expo/extrapolation/diagnosis/ties.h"
#include "expo/extrapolation/plan/tensor_blocks.h"
#include "expo/extrapolation/plan/tensor_groups.h"

namespace expo {
namespace {

/// Counts tensors by label, in order of first appearance.
template <typename Entry>
class Counter {
 public:
  explicit Counter(std::vector<Entry>& entries) : entries_(entries) {}

  void add(const std::string& label, std::uint64_t elements) {
    const auto [place, fresh] = places_.try_emplace(label, entries_.size());
    if (fresh) entries_.push_back({label, 0, 0});
    Entry& entry = entries_[place->second];
    ++entry.tensors;
    entry.elements += elements;
  }

 private:
  std::vector<Entry>& entries_;
  std::map<std::string, std::size_t> places_;
};

void count_tensors(const Checkpoint& checkpoint, CheckpointSummary& summary) {
  Counter types(summary.types);
  Counter kinds(summary.kinds);
  for (const Tensor& tensor : checkpoint.tensors()) {
    const TensorGroup group = group_of(tensor.name);
    ++summary.tensors;
    if (is_floating(tensor.dtype)) summary.parameters += tensor.elements();
    if (group.part.empty() && group.layer)
      summary.layers = std::max(summary.layers, *group.layer + 1);
    summary.has_head = summary.has_head || (group.kind == "head" && group.part.empty());
    types.add(tensor.stored, tensor.elements());
    kinds.add(kind_label(group), tensor.elements());
  }
}

std::string text_of(const Json& config, const char* key) {
  if (!config.is_object() || !config.contains(key)) return {};
  const Json& value = config[key];
  const Json& first = value.is_array() && !value.empty() ? value[0] : value;
  return first.is_string() ? first.get<std::string>() : std::string();
}

std::uint64_t row_length(const Tensor& tensor) {
  return tensor.shape.size() == 2 ? tensor.shape[1] : 0;
}

TensorHealth examine_block(const Checkpoint& checkpoint, const TensorBlock& block,
                           ReadScratch& scratch) {
  const Tensor& tensor = checkpoint.tensors()[block.tensor];
  const auto bytes = checkpoint.read(block.tensor, block.first, block.count, scratch);
  const std::uint64_t row = row_length(tensor);
  const bool whole_rows = row > 0 && block.first % row == 0 && block.count % row == 0;
  return {block.tensor, examine_values(bytes, tensor.dtype, whole_rows ? row : 0),
          count_ties(bytes, tensor.dtype, serving_type(tensor, std::nullopt))};
}

std::vector<TensorBlock> blocks_of(const Checkpoint& checkpoint) {
  std::vector<TensorBlock> blocks;
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const Tensor& tensor = checkpoint.tensors()[i];
    if (supports_arithmetic(tensor.dtype))
      append_blocks(i, tensor.elements(), row_length(tensor), false, blocks);
  }
  return blocks;
}

std::uint64_t bytes_of(const Checkpoint& checkpoint, const TensorBlock& block) {
  return block.count * byte_width(checkpoint.tensors()[block.tensor].dtype);
}

}  // namespace

CheckpointSummary summarise(Filesystem& filesystem, const Checkpoint& checkpoint) {
  CheckpointSummary summary;
  count_tensors(checkpoint, summary);
  for (const SourceFile& file : checkpoint.files()) summary.file_bytes += file.size;
  summary.architecture = text_of(checkpoint.config(), "architectures");
  summary.model_type = text_of(checkpoint.config(), "model_type");
  if (summary.architecture.empty()) summary.architecture = summary.model_type;
  summary.tokenizer = tokenizer_kind(filesystem, checkpoint);
  summary.has_chat_template = chat_template(filesystem, checkpoint).has_value();
  summary.tied_embeddings = configured_tie(checkpoint.config());
  summary.warnings = checkpoint.warnings();
  return summary;
}

std::vector<TensorHealth> check_values(const Checkpoint& checkpoint, const CheckOptions& options,
                                       const CancellationToken& cancellation) {
  const auto blocks = blocks_of(checkpoint);
  std::vector<TensorHealth> results(blocks.size());
  const unsigned threads = options.threads == 0 ? available_threads() : options.threads;
  std::vector<ReadScratch> scratch(threads);
  if (options.progress) {
    std::uint64_t bytes = 0;
    for (const TensorBlock& block : blocks) bytes += bytes_of(checkpoint, block);
    options.progress->begin("Checking", bytes);
  }
  parallel_for(blocks.size(), threads, [&](std::size_t index, unsigned worker) {
    cancellation.check();
    results[index] = examine_block(checkpoint, blocks[index], scratch[worker]);
    if (options.progress) options.progress->advance(bytes_of(checkpoint, blocks[index]));
  });
  if (options.progress) options.progress->end();
  std::vector<TensorHealth> health;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (health.empty() || health.back().tensor != blocks[i].tensor)
      health.push_back({blocks[i].tensor, {}});
    health.back().health += results[i].health;
    health.back().ties += results[i].ties;
  }
  return health;
}

double tie_share(const CheckpointSummary& summary) {
  std::uint64_t ties = 0;
  std::uint64_t elements = 0;
  for (const TensorHealth& tensor : summary.health) {
    ties += tensor.ties;
    elements += tensor.health.elements;
  }
  return elements == 0 ? 0 : static_cast<double>(ties) / static_cast<double>(elements);
}

}  // namespace expo
