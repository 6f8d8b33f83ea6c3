#include "expo/core/disk/filesystem.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "expo/core/error.h"

namespace expo {
namespace {
constexpr std::size_t kPage = 4096;
}

AlignedBuffer::~AlignedBuffer() {
  std::free(data_);
}

std::span<std::byte> AlignedBuffer::get(std::size_t size) {
  if (size > capacity_) {
    const std::size_t rounded = (size + kPage - 1) / kPage * kPage;
    std::free(data_);
    capacity_ = 0;
    data_ = static_cast<std::byte*>(std::aligned_alloc(kPage, rounded));
    if (data_ == nullptr) throw std::bad_alloc();
    capacity_ = rounded;
  }
  return {data_, size};
}

std::optional<std::span<const std::byte>> ReadableFile::view(std::uint64_t, std::size_t) const {
  return std::nullopt;
}

std::string Filesystem::read_text(const Path& path, std::uint64_t max_size) {
  const auto file = open(path, Caching::buffered);
  if (file->size() > max_size) {
    throw input_error(path.string() + ": the file has " + std::to_string(file->size()) +
                      " bytes, but at most " + std::to_string(max_size) + " are expected");
  }
  AlignedBuffer scratch;
  const auto bytes = file->read(0, file->size(), scratch);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void Filesystem::write_text(const Path& path, std::string_view text) {
  const auto file = create(path, Caching::buffered);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
  file->close();
}

void Filesystem::replace_text(const Path& path, const Path& partial, std::string_view text) {
  write_text(partial, text);
  rename_replace(partial, path);
  sync_directory(path.parent_path());
}

bool Filesystem::is_directory(const Path& path) {
  const auto found = status(path);
  return found && found->is_directory;
}

}  // namespace expo
