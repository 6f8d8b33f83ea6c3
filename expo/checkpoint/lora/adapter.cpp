#include "expo/checkpoint/lora/adapter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "expo/checkpoint/hub/cache.h"
#include "expo/checkpoint/lora/changes.h"
#include "expo/checkpoint/lora/score_head.h"
#include "expo/checkpoint/lora/surroundings.h"
#include "expo/checkpoint/lora/update.h"
#include "expo/checkpoint/lora/weights.h"

namespace expo {
namespace {

/// Passes on a file's number among all files instead of its number among the adapter's own.
class ShiftedObserver final : public FileBytesObserver {
 public:
  ShiftedObserver(FileBytesObserver& observer, std::size_t shift)
      : observer_(observer), shift_(shift) {}
  void file_bytes(std::size_t file, std::uint64_t offset,
                  std::span<const std::byte> bytes) override {
    observer_.file_bytes(file + shift_, offset, bytes);
  }

 private:
  FileBytesObserver& observer_;
  std::size_t shift_;
};

/// The buffer of the scratch that does not hold the values. The values are in at most one of the
/// two: the one whose beginning is the nearest before them.
AlignedBuffer& free_buffer(ReadScratch& scratch, std::span<const std::byte> values) {
  const auto before = std::less_equal<const std::byte*>();
  const std::byte* extra = scratch.extra.get(0).data();
  const std::byte* decoded = scratch.decoded.get(0).data();
  const bool in_extra = extra != nullptr && before(extra, values.data()) &&
                        !(before(extra, decoded) && before(decoded, values.data()));
  return in_extra ? scratch.decoded : scratch.extra;
}

class LoraCheckpoint final : public Checkpoint {
 public:
  LoraCheckpoint(Filesystem& filesystem, std::shared_ptr<const Checkpoint> base,
                 const std::filesystem::path& folder) {
    AdapterWeights adapter = open_adapter(filesystem, folder);
    base_ = with_score_head(std::move(base), adapter);
    adapter_ = adapter.checkpoint;
    LoraChanges changes = find_changes(adapter, *base_);
    take_files(filesystem, adapter);
    for (std::size_t i = 0; i < changes.tensors.size(); ++i) {
      add(base_->tensors()[i], i, std::move(changes.tensors[i]));
    }
    if (changes.own_head && !changes.own_head->name.empty()) {
      add_head(std::move(*changes.own_head));
    }
    format_ = "LoRA over " + base_->format();
    location_ = base_->location() + "+" + folder.string();
    quantised_formats_ = base_->quantised_formats();
    take_warnings(adapter, changes);
    take_surroundings(filesystem, folder, changes.own_head.has_value());
    index_tensors();
  }

  std::span<const std::byte> read(std::size_t index, std::uint64_t first, std::uint64_t count,
                                  ReadScratch& scratch) const override {
    const Slot& slot = slots_[index];
    const auto values = slot.from_adapter ? read_adapter(slot.source, first, count, scratch)
                                          : base_->read(slot.source, first, count, scratch);
    if (!slot.update) return values;
    const auto out = free_buffer(scratch, values).get(static_cast<std::size_t>(count) * 8);
    auto* sums = reinterpret_cast<double*>(out.data());
    widen_values(values, slot.source_type, sums);
    slot.update->add(first, count, sums);
    return out;
  }

 private:
  /// The source of a tensor's values.
  struct Slot {
    bool from_adapter = false;
    std::size_t source = 0;
    DType source_type = DType::f32;
    std::shared_ptr<const LoraUpdate> update;
  };

  std::span<const std::byte> read_adapter(std::size_t index, std::uint64_t first,
                                          std::uint64_t count, ReadScratch& scratch) const {
    if (scratch.observer == nullptr) return adapter_->read(index, first, count, scratch);
    FileBytesObserver* const observer = scratch.observer;
    ShiftedObserver shifted(*observer, base_->files().size());
    struct Restore {
      ReadScratch& scratch;
      FileBytesObserver* observer;
      ~Restore() { scratch.observer = observer; }
    } const restore{scratch, observer};
    scratch.observer = &shifted;
    return adapter_->read(index, first, count, scratch);
  }

  void take_files(Filesystem& filesystem, const AdapterWeights& adapter) {
    files_ = base_->files();
    for (SourceFile file : adapter.checkpoint->files()) {
      file.sha256 = cached_sha256(filesystem, file.path);
      files_.push_back(std::move(file));
    }
    const auto status = filesystem.status(adapter.config_path);
    files_.push_back({adapter.config_path, status ? status->size : 0, std::nullopt});
  }

  void add(Tensor tensor, std::size_t original, LoraChange change) {
    Slot slot{false, original, tensor.dtype, std::move(change.update)};
    if (change.replacement) {
      const Tensor& held = adapter_->tensors()[*change.replacement];
      slot.from_adapter = true;
      slot.source = *change.replacement;
      slot.source_type = held.dtype;
      tensor.dtype = held.dtype;
      tensor.stored = held.stored;
      tensor.extent = held.extent;
      if (tensor.extent) tensor.extent->file += base_->files().size();
    }
    if (slot.update) tensor.dtype = DType::f64;
    tensors_.push_back(std::move(tensor));
    slots_.push_back(std::move(slot));
  }

  void add_head(LoraChanges::OwnHead head) {
    Tensor tensor = base_->tensors()[head.embedding];
    tensor.name = head.name;
    tensor.extent.reset();  // it is the embedding's range, which is read for the embedding already
    add(std::move(tensor), head.embedding, std::move(head.change));
  }

  void take_surroundings(Filesystem& filesystem, const std::filesystem::path& folder, bool untie) {
    LoraSurroundings surroundings =
        lora_surroundings(filesystem, *base_, adapter_->files().front().path, untie);
    config_ = std::move(surroundings.config);
    sidecars_ = std::move(surroundings.sidecars);
    std::ranges::move(surroundings.warnings, std::back_inserter(warnings_));
    if (const auto snapshot = snapshot_at(filesystem, folder)) model_id_ = snapshot->model_id;
  }

  void take_warnings(const AdapterWeights& adapter, const LoraChanges& changes) {
    warnings_ = base_->warnings();
    const auto append = [&](const std::vector<std::string>& more) {
      warnings_.insert(warnings_.end(), more.begin(), more.end());
    };
    append(adapter.config.warnings);
    append(changes.warnings);
    append(base_warnings(adapter, *base_));
  }

  std::shared_ptr<const Checkpoint> base_;
  std::shared_ptr<const Checkpoint> adapter_;
  std::vector<Slot> slots_;
};

}  // namespace

bool is_adapter_folder(Filesystem& filesystem, const std::filesystem::path& folder) {
  return filesystem.exists(folder / "adapter_config.json");
}

std::shared_ptr<const Checkpoint> apply_lora(Filesystem& filesystem,
                                             std::shared_ptr<const Checkpoint> base,
                                             const std::filesystem::path& folder) {
  return std::make_shared<LoraCheckpoint>(filesystem, std::move(base), folder);
}

}  // namespace expo
