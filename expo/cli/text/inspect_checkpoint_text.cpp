#include <fmt/format.h>

#include "expo/cli/text/inspect_text.h"
#include "expo/core/byte_size.h"
#include "expo/core/text.h"

namespace expo {
namespace {

std::string line(const char* label, const std::string& text) {
  return fmt::format("  {:<16}{}\n", label, on_one_line(text));
}

std::string types_of(const CheckpointSummary& summary) {
  std::string text;
  for (const StoredType& type : summary.types)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", type.stored,
                        counted(type.tensors, "tensor"));
  return text;
}

std::string head_of(const CheckpointSummary& summary) {
  const bool tied = summary.tied_embeddings.value_or(false);
  if (summary.has_head)
    return tied ? "its own tensor, although config.json ties it to the embedding"
                : "its own tensor";
  if (summary.architecture.ends_with("ForSequenceClassification"))
    return "none: a sequence classifier, whose head is score";
  if (tied) return "tied to the embedding";
  return summary.tied_embeddings ? "missing, although config.json does not tie it" : "none";
}

std::string overview(const CheckpointSummary& summary, std::size_t files) {
  const std::string architecture =
      summary.architecture.empty() ? "unknown (no config.json)" : summary.architecture;
  return line("architecture",
              architecture +
                  (summary.layers > 0 ? ", " + counted(summary.layers, "layer") : std::string())) +
         line("parameters",
              fmt::format("{} in {}", summary.parameters, counted(summary.tensors, "tensor"))) +
         line("size",
              fmt::format("{} in {}", format_bytes(summary.file_bytes), counted(files, "file"))) +
         line("types", types_of(summary)) + line("tokenizer", summary.tokenizer.value_or("none")) +
         line("chat template", summary.has_chat_template ? "present" : "none") +
         line("output head", head_of(summary));
}

std::string kind_table(const CheckpointSummary& summary) {
  std::string text =
      fmt::format("\n  {:<28} {:>8} {:>15} {:>9}\n", "", "tensors", "values", "share");
  std::uint64_t whole = 0;
  for (const KindSummary& kind : summary.kinds) whole += kind.elements;
  for (const KindSummary& kind : summary.kinds) {
    const double share =
        whole == 0 ? 0 : static_cast<double>(kind.elements) / static_cast<double>(whole);
    text += fmt::format("  {:<28} {:>8} {:>15} {:>7.2f} %\n", on_one_line(kind.kind), kind.tensors,
                        kind.elements, 100 * share);
  }
  return text;
}

std::string health_lines(const Checkpoint& checkpoint, const CheckpointSummary& summary,
                         bool checked) {
  if (!checked) return "\nvalues: not read (--check reads them all)\n";
  std::string text;
  for (const TensorHealth& tensor : summary.health) {
    const std::string damage = describe_damage(tensor.health);
    if (!damage.empty())
      text += fmt::format("  \"{}\": {}\n", on_one_line(checkpoint.tensors()[tensor.tensor].name),
                          damage);
  }
  return text.empty() ? "\nvalues: all finite, nothing odd\n" : "\nvalues that are odd:\n" + text;
}

std::string tensor_lines(const Checkpoint& checkpoint) {
  std::string text = "\n";
  for (const Tensor& tensor : checkpoint.tensors())
    text += fmt::format("  {:<64} {:<10} {}\n", on_one_line(tensor.name), tensor.stored,
                        format_shape(tensor.shape));
  return text;
}

}  // namespace

std::string describe_checkpoint(const Checkpoint& checkpoint, const CheckpointSummary& summary,
                                bool checked, bool list_tensors) {
  return fmt::format("{} ({})\n", on_one_line(checkpoint.location()), checkpoint.format()) +
         overview(summary, checkpoint.files().size()) + kind_table(summary) +
         (list_tensors ? tensor_lines(checkpoint) : "") +
         health_lines(checkpoint, summary, checked);
}

}  // namespace expo
