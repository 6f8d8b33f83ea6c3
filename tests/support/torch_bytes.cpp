#include "support/torch_bytes.h"

#include "support/zip_bytes.h"

namespace expo {
namespace {

std::string integers(const std::vector<std::int64_t>& values) {
  std::vector<std::string> items;
  for (const std::int64_t value : values) items.push_back(pickle_integer(value));
  return pickle_tuple(items);
}

}  // namespace

std::string pickle_text(const std::string& text) {
  return "X" + little(text.size(), 4) + text;
}

std::string pickle_integer(std::int64_t value) {
  return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8);
}

std::string pickle_global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

std::string pickle_tuple(const std::vector<std::string>& items) {
  std::string bytes = "(";
  for (const std::string& item : items) bytes += item;
  return bytes + "t";
}

std::string pickle_dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string bytes = "}(";
  for (const auto& [key, value] : items) bytes += pickle_text(key) + value;
  return bytes + "u";
}

std::string pickle_bytes(const std::string& value) {
  return "\x80\x02" + value + ".";
}

std::string pickle_storage(const TorchTensorBytes& tensor) {
  return pickle_tuple({pickle_text("storage"), pickle_global("torch", tensor.type),
                       pickle_text(tensor.storage), pickle_text("cpu"),
                       pickle_integer(tensor.elements)}) +
         "Q";
}

std::string pickle_tensor(const TorchTensorBytes& tensor) {
  const std::string hooks = pickle_global("collections", "OrderedDict") + ")R";
  return pickle_global("torch._utils", "_rebuild_tensor_v2") +
         pickle_tuple({pickle_storage(tensor), pickle_integer(tensor.offset),
                       integers(tensor.shape), integers(tensor.stride), "\x89", hooks}) +
         "R";
}

std::string torch_bytes(const std::string& pickle,
                        const std::vector<std::pair<std::string, std::string>>& storages,
                        const std::string& byteorder) {
  std::vector<ZipMemberBytes> members{{.name = "archive/data.pkl", .data = pickle}};
  if (!byteorder.empty()) members.push_back({.name = "archive/byteorder", .data = byteorder});
  for (const auto& [key, data] : storages) {
    members.push_back({.name = "archive/data/" + key, .data = data});
  }
  members.push_back({.name = "archive/version", .data = "3\n"});
  return zip_bytes(members, {.zip64 = true});
}

}  // namespace expo
