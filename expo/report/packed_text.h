#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "expo/report/json_output.h"

namespace expo {

/// Base64 of gzip of a text, made piece by piece: the same bytes for the same text, however it is
/// cut into pieces, as no time and no name goes into gzip's header.
class PackedText {
 public:
  /// `sink` takes what is packed, and must outlive this object.
  explicit PackedText(const TextSink& sink);
  ~PackedText();
  PackedText(const PackedText&) = delete;
  PackedText& operator=(const PackedText&) = delete;

  void add(std::string_view text);
  /// Packs what is left; nothing can be added after it.
  void finish();

 private:
  struct Deflater;
  void deflate(bool is_last);
  void encode(std::string_view bytes, bool is_last);

  const TextSink& sink_;
  std::string pending_;  ///< text that is not compressed yet
  std::string carry_;    ///< compressed bytes that do not fill a group of base64
  std::unique_ptr<Deflater> deflater_;
};

}  // namespace expo
