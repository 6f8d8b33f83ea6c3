// Reads any bytes as the index of a sharded checkpoint, in a folder with a few shards and links.
#include <cstdint>
#include <string_view>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static expo::MemoryFilesystem& filesystem = *[] {
    auto* made = new expo::MemoryFilesystem();  // for as long as the process lives
    made->create_directory("/model");
    for (const char* name : {"/model/a", "/model/model-00001-of-00002.safetensors", "/secret"}) {
      made->write_text(name, "x");
    }
    made->create_link("/secret", "/model/out");
    made->create_link("a", "/model/link");
    return made;
  }();
  filesystem.write_text("/model/index.json", {reinterpret_cast<const char*>(data), size});
  try {
    const auto files = expo::read_weight_index(filesystem, "/model/index.json");
    for (const auto& file : files.files) {
      if (filesystem.canonical(file).parent_path() != "/model") __builtin_trap();
    }
    if (files.weight_map.empty()) __builtin_trap();
    for (const auto& [name, file] : files.weight_map) {
      if (file >= files.files.size()) __builtin_trap();
    }
  } catch (const expo::Error& error) {
    if (error.category() != expo::ErrorCategory::input) __builtin_trap();
  }
  return 0;
}
