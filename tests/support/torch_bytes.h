#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace expo {

// Fragments of pickles, opcode by opcode and without a memo.

std::string pickle_text(const std::string& text);
std::string pickle_integer(std::int64_t value);  ///< encoded by LONG1
std::string pickle_global(const std::string& module, const std::string& name);
std::string pickle_tuple(const std::vector<std::string>& items);
std::string pickle_dict(const std::vector<std::pair<std::string, std::string>>& items);
/// A whole pickle of protocol 2.
std::string pickle_bytes(const std::string& value);

/// A tensor as torch.save describes it.
struct TorchTensorBytes {
  std::string storage = "0";
  std::string type = "FloatStorage";
  std::int64_t elements = 0;  ///< elements of the storage
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape = {};
  std::vector<std::int64_t> stride = {};
};
std::string pickle_storage(const TorchTensorBytes& tensor);
std::string pickle_tensor(const TorchTensorBytes& tensor);

/// A file of torch.save: the pickle, and the storages' bytes by their keys.
std::string torch_bytes(const std::string& pickle,
                        const std::vector<std::pair<std::string, std::string>>& storages,
                        const std::string& byteorder = "little");

}  // namespace expo
