#include "expo/served/weights/changed_head.h"

#include <algorithm>
#include <set>

#include "expo/extrapolation/write/output_folder.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPiece = std::uint64_t{8} << 20;

/// The names of a folder's files, those of its folders included.
std::vector<fs::path> files_below(Filesystem& filesystem, const fs::path& folder,
                                  const fs::path& below = {}) {
  std::vector<fs::path> all;
  for (const std::string& name : filesystem.list(folder / below)) {
    if (filesystem.is_directory(folder / below / name)) {
      std::ranges::move(files_below(filesystem, folder, below / name), std::back_inserter(all));
    } else {
      all.push_back(below / name);
    }
  }
  return all;
}

class ChangedCopy {
 public:
  ChangedCopy(Filesystem& filesystem, const Checkpoint& checkpoint,
              std::span<const std::string> tensors, std::span<const RowCopy> changes,
              const fs::path& folder, const CancellationToken& cancellation)
      : filesystem_(filesystem),
        checkpoint_(checkpoint),
        changes_(changes),
        source_(checkpoint.location()),
        folder_(folder),
        cancellation_(cancellation) {
    for (const std::string& name : tensors) tensors_.push_back(checkpoint.find(name).value());
  }

  void run() {
    std::uint64_t bytes = 0;
    std::vector<fs::path> written;
    for (const fs::path& file : files_below(filesystem_, source_)) {
      filesystem_.create_directory((folder_ / file).parent_path());
      if (!holds_changes(file) && filesystem_.add_name(source_ / file, folder_ / file)) continue;
      bytes += filesystem_.status(source_ / file).value().size;
      written.push_back(file);
    }
    check_free_space(filesystem_, folder_, bytes);
    for (const fs::path& file : written) write(file);
  }

 private:
  bool holds_changes(const fs::path& file) const {
    return std::ranges::any_of(tensors_, [&](std::size_t tensor) { return lies_in(tensor, file); });
  }

  bool lies_in(std::size_t tensor, const fs::path& file) const {
    const Extent& extent = checkpoint_.tensors()[tensor].extent.value();
    return checkpoint_.files()[extent.file].path.filename() == file;
  }

  void write(const fs::path& file) {
    const auto in = filesystem_.open(source_ / file, Caching::direct);
    const auto out = filesystem_.create(folder_ / file, Caching::direct);
    out->allocate(in->size());
    for (std::uint64_t done = 0; done < in->size(); done += kPiece) {
      cancellation_.check();
      const auto piece = static_cast<std::size_t>(std::min(kPiece, in->size() - done));
      out->write_at(done, in->read(done, piece, scratch_));
    }
    for (const std::size_t tensor : tensors_) {
      if (lies_in(tensor, file)) change_rows(checkpoint_.tensors()[tensor], *in, *out);
    }
    out->sync();
    out->close();
  }

  void change_rows(const Tensor& tensor, const ReadableFile& in, WritableFile& out) {
    const Extent& extent = tensor.extent.value();
    const std::uint64_t row = extent.bytes / tensor.shape.front();
    for (const RowCopy& change : changes_) {
      out.write_at(
          extent.offset + change.to * row,
          in.read(extent.offset + change.from * row, static_cast<std::size_t>(row), scratch_));
    }
  }

  Filesystem& filesystem_;
  const Checkpoint& checkpoint_;
  std::vector<std::size_t> tensors_;
  std::span<const RowCopy> changes_;
  fs::path source_;
  fs::path folder_;
  const CancellationToken& cancellation_;
  AlignedBuffer scratch_;
};

}  // namespace

std::vector<RowCopy> head_changes(std::span<const AnsweredTokens> texts, std::uint64_t rows) {
  std::set<std::uint64_t> seen;
  std::set<std::uint64_t> answered;
  for (const AnsweredTokens& text : texts) {
    for (std::size_t i = 0; i < text.tokens.size(); ++i) {
      const auto token = static_cast<std::uint64_t>(text.tokens[i]);
      seen.insert(token);
      if (i >= text.answer_start && token < rows) answered.insert(token);
    }
  }
  std::vector<RowCopy> changes;
  std::uint64_t to = 0;
  for (const std::uint64_t from : answered) {
    while (seen.contains(to)) ++to;
    if (to >= rows) break;
    changes.push_back({from, to++});
  }
  return changes;
}

void write_changed_rows(Filesystem& filesystem, const Checkpoint& checkpoint,
                        std::span<const std::string> tensors, std::span<const RowCopy> changes,
                        const fs::path& folder, const CancellationToken& cancellation) {
  ChangedCopy(filesystem, checkpoint, tensors, changes, folder, cancellation).run();
}

}  // namespace expo
