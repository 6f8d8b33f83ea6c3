#pragma once

#include <zlib.h>

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

#include "expo/core/json.h"
#include "expo/report/page.h"

namespace expo {

/// The bytes that base64 text stands for.
inline std::string decoded_base64(std::string_view text) {
  const std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char digit : text) {
    if (digit == '=') break;
    const std::size_t value = digits.find(digit);
    if (value == std::string_view::npos) throw std::runtime_error("no base64");
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFFU);
  }
  return bytes;
}

/// The text in a gzip file, of which there must be nothing but one member.
inline std::string inflated(std::string bytes) {
  z_stream stream{};
  constexpr int kGzipOnly = 16;
  if (inflateInit2(&stream, MAX_WBITS + kGzipOnly) != Z_OK) throw std::runtime_error("no zlib");
  stream.next_in = reinterpret_cast<unsigned char*>(bytes.data());
  stream.avail_in = static_cast<unsigned>(bytes.size());
  std::string text;
  std::array<char, 4096> piece{};
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<unsigned char*>(piece.data());
    stream.avail_out = piece.size();
    result = inflate(&stream, Z_NO_FLUSH);
    text.append(piece.data(), piece.size() - stream.avail_out);
  }
  const bool is_whole = result == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!is_whole) throw std::runtime_error("no whole gzip file");
  return text;
}

/// The data of a page.
inline Json data_of(std::string_view page) {
  const Page template_page = embedded_page();
  if (!page.starts_with(template_page.before) || !page.ends_with(template_page.after))
    throw std::runtime_error("not the page of this program");
  page.remove_prefix(template_page.before.size());
  page.remove_suffix(template_page.after.size());
  return parse_json(inflated(decoded_base64(page)), "the page's data");
}

}  // namespace expo
