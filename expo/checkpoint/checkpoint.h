#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "expo/checkpoint/tensor.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// A file that a checkpoint's tensors are read from.
struct SourceFile {
  std::filesystem::path path;
  std::uint64_t size = 0;
  /// The SHA-256 under which the Hugging Face cache keeps an LFS file (the blob's name), if it
  /// comes from there.
  std::optional<std::string> sha256;
};

/// A file beside the weights that belongs to the model: config.json, tokenizer, chat template. It
/// is either a file on disk, or text built from a format that stores such data inside (GGUF).
struct Sidecar {
  std::string name;  ///< relative to the checkpoint's folder, with '/' between folders
  std::variant<std::filesystem::path, std::string> content;
};

/// Receives every range of file bytes that Checkpoint::read takes from disk, before it is decoded.
class FileBytesObserver {
 public:
  virtual ~FileBytesObserver() = default;
  virtual void file_bytes(std::size_t file, std::uint64_t offset,
                          std::span<const std::byte> bytes) = 0;
};

/// The scratch memory of one thread for reading.
struct ReadScratch {
  AlignedBuffer raw;      ///< bytes as they are on disk
  AlignedBuffer decoded;  ///< values, if decoding is needed
  AlignedBuffer extra;    ///< for readers that combine two sources
  FileBytesObserver* observer = nullptr;
  /// Whether readers may return views of mapped files (ReadableFile::view): for values that are
  /// read repeatedly, each time just before they are used.
  bool takes_views = false;
};

/// A readable checkpoint, whatever its format. Opening one reads and checks headers only; tensors
/// are read in pieces. Immutable and thread-safe once it is made, if each thread uses a scratch of
/// its own.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  /// In the checkpoint's own order: files as in the index, and tensors by offset. Names are unique.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  std::optional<std::size_t> find(std::string_view name) const;

  /// The values [first, first + count) of a tensor, row-major and little-endian, in the type
  /// `tensors()[index].dtype`. The view is valid until scratch is used again or, for readers of
  /// memory, as long as the checkpoint lives. Throws Error(input) naming the file and the tensor if
  /// the file no longer holds the values.
  virtual std::span<const std::byte> read(std::size_t index, std::uint64_t first,
                                          std::uint64_t count, ReadScratch& scratch) const = 0;

  const std::vector<SourceFile>& files() const { return files_; }
  /// The parsed config.json (rebuilt from the metadata of a GGUF file); null if there is none.
  const Json& config() const { return config_; }
  const std::vector<Sidecar>& sidecars() const { return sidecars_; }
  /// "safetensors", "PyTorch", "GGUF", "LoRA over safetensors", …
  const std::string& format() const { return format_; }
  /// The place that the checkpoint was opened from, for messages.
  const std::string& location() const { return location_; }
  /// The formats of quantised blocks among the tensors ("Q4_1"), with which Δ contains quantisation
  /// noise. Empty if there are none.
  const std::vector<std::string>& quantised_formats() const { return quantised_formats_; }
  /// Oddities that do not stop the work, one sentence each (an unreferenced file, a wrong
  /// total_size).
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// The `base_model` that a model card should name, such as the Hugging Face id. May be empty.
  const std::string& model_id() const { return model_id_; }

  /// The data around the weights; open_checkpoint sets it once, before the checkpoint is shared.
  struct Surroundings {
    Json config;
    std::vector<Sidecar> sidecars;
    std::string location;
    std::string model_id;
    std::vector<std::string> warnings;               ///< added to the reader's own
    std::vector<std::optional<std::string>> sha256;  ///< of files(), in order; may be empty
  };
  void set_surroundings(Surroundings surroundings);

 protected:
  /// Readers fill the members below while they are constructed and call index_tensors() at the end.
  /// It refuses two tensors of the same name, and so many elements that sums over them could wrap
  /// around.
  void index_tensors();

  std::vector<Tensor> tensors_;
  std::vector<SourceFile> files_;
  Json config_;
  std::vector<Sidecar> sidecars_;
  std::string format_;
  std::string location_;
  std::vector<std::string> quantised_formats_;
  std::vector<std::string> warnings_;
  std::string model_id_;

 private:
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace expo
