#include "expo/checkpoint/folder/mistaken_file.h"

namespace expo {

std::optional<std::string_view> mistaken_file(std::string_view head) {
  if (head.starts_with("version https://git-lfs"))
    return "a Git LFS pointer in place of the weights; fetch them with git lfs pull";
  if (head.starts_with("<!DOCTYPE") || head.starts_with("<!doctype") || head.starts_with("<html"))
    return "a web page in place of the weights, perhaps a login or an error; download them again";
  if (head.starts_with("GGUF"))
    return "a GGUF file under another name; rename it so that it ends in .gguf";
  if (head.starts_with("PK\x03\x04"))
    return "a file of torch.save under another name; rename it so that it ends in .bin";
  if (head.size() > 8 && head[8] == '{')
    return "a safetensors file under another name; rename it so that it ends in .safetensors";
  return std::nullopt;
}

}  // namespace expo
