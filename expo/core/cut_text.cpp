#include "expo/core/cut_text.h"

#include "expo/core/text.h"

namespace expo {

std::string cut_to(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && continues_character(text[bytes])) --bytes;
  text.resize(bytes);
  return text + "…";
}

}  // namespace expo
