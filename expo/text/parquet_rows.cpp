#include <fmt/format.h>

#include <cstring>

#include "expo/core/error.h"
#include "expo/text/bridge_values.h"
#include "expo/text/row_readers.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// A file that the bridge reads. The bridge cannot carry an exception, so it is kept here until the
/// call returns.
struct Source {
  std::unique_ptr<ReadableFile> file;
  AlignedBuffer scratch;
  std::exception_ptr failure;

  static bool read_at(void* self, std::uint64_t offset, std::uint8_t* out, std::size_t size) {
    auto& source = *static_cast<Source*>(self);
    try {
      const auto bytes = source.file->read(offset, size, source.scratch);
      if (size > 0) std::memcpy(out, bytes.data(), size);
      return true;
    } catch (...) {
      source.failure = std::current_exception();
      return false;
    }
  }
};

class ParquetRows final : public RowReader {
 public:
  ParquetRows(Filesystem& filesystem, const fs::path& path) : path_(path.string()) {
    source_.file = filesystem.open(path, Caching::buffered);
    bridge::Bytes error;
    table_.reset(expo_table_new(&source_, &Source::read_at, source_.file->size(), error.out()));
    if (!table_) refuse(path_, error);
  }

  bool next(Json& row) override {
    ++number_;
    bridge::Bytes json;
    bridge::Bytes error;
    const int found = expo_table_next(table_.get(), json.out(), error.out());
    if (found < 0) refuse(place(), error);
    if (found == 0) return false;
    row = parse_json(json.view(), place());
    return true;
  }

  std::string place() const override { return fmt::format("{}: row {}", path_, number_); }

 private:
  [[noreturn]] void refuse(const std::string& where, const bridge::Bytes& error) const {
    if (source_.failure) std::rethrow_exception(source_.failure);
    throw input_error(fmt::format(
        "{}: cannot be read as parquet ({}); it may be incomplete, or compressed by LZO", where,
        error.view()));
  }

  struct Free {
    void operator()(ExpoTable* table) const { expo_table_free(table); }
  };

  std::string path_;
  Source source_;
  std::unique_ptr<ExpoTable, Free> table_;
  std::uint64_t number_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> open_parquet(Filesystem& filesystem, const fs::path& path) {
  return std::make_unique<ParquetRows>(filesystem, path);
}

}  // namespace expo
