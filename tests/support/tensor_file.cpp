#include "support/tensor_file.h"

#include <cstring>

#include "expo/core/float_formats.h"
#include "support/safetensors_bytes.h"

namespace expo {
namespace {

template <typename Value>
void append(std::string& data, Value value) {
  data.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_value(std::string& data, DType dtype, double value) {
  switch (dtype) {
    case DType::f16:
      return append(data, double_to_f16(value));
    case DType::bf16:
      return append(data, double_to_bf16(value));
    case DType::f32:
      return append(data, static_cast<float>(value));
    case DType::i64:
      return append(data, static_cast<std::int64_t>(value));
    case DType::u8:
      return append(data, static_cast<std::uint8_t>(value));
    default:
      return append(data, value);
  }
}

}  // namespace

std::string tensor_file(const std::vector<FileTensor>& tensors) {
  std::string header = "{";
  std::string data;
  for (const FileTensor& tensor : tensors) {
    const std::size_t begin = data.size();
    for (const double value : tensor.values) append_value(data, tensor.dtype, value);
    std::string shape;
    for (const std::uint64_t size : tensor.shape) {
      shape += (shape.empty() ? "" : ",") + std::to_string(size);
    }
    header += (header.size() > 1 ? ",\"" : "\"") + tensor.name + "\":{\"dtype\":\"" +
              std::string(safetensors_name(tensor.dtype)) + "\",\"shape\":[" + shape +
              "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size()) +
              "]}";
  }
  return safetensors_bytes(header + "}", data);
}

}  // namespace expo
