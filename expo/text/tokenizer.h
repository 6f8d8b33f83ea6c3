#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/text/text_span.h"

struct ExpoTokenizer;

namespace expo {

/// The id of a token in a model's vocabulary.
using TokenId = std::uint32_t;

/// Whether encoding adds the tokens of the tokenizer's post-processor (such as BOS), and whether
/// decoding keeps the tokens that are marked special.
enum class SpecialTokens { keep_out, keep };

/// A text's tokens, and which of its characters each of them stands for. The tokens of one
/// character that takes several share its place; tokens that stand for nothing have an empty one.
struct EncodedText {
  std::vector<TokenId> ids;
  std::vector<TextSpan> places;  ///< one per id
};

/// A tokenizer.json as Hugging Face's library `tokenizers` 0.22 interprets it, with its padding and
/// truncation switched off (as transformers does before each call). Special tokens that are written
/// in the text are recognised. Immutable and thread-safe.
class Tokenizer {
 public:
  /// Throws Error(input), with a message that begins with `where`, if the text is not a
  /// tokenizer.json.
  static Tokenizer from_json(std::string_view json, std::string_view where);

  /// The ids of UTF-8 text; throws Error(input) for any other bytes.
  std::vector<TokenId> encode(std::string_view text, SpecialTokens special) const;
  /// The same, with places.
  EncodedText encode_with_places(std::string_view text, SpecialTokens special) const;
  /// The text of ids. Ids beyond the vocabulary add nothing; incomplete UTF-8 becomes U+FFFD.
  std::string decode(std::span<const TokenId> ids, SpecialTokens special) const;

  /// One more than the highest id, including added tokens.
  std::size_t size() const;
  std::optional<TokenId> id(std::string_view token) const;
  std::optional<std::string> token(TokenId id) const;
  /// Whether decode() leaves this token out with SpecialTokens::keep_out.
  bool is_special(TokenId id) const;

 private:
  explicit Tokenizer(std::shared_ptr<const ExpoTokenizer> handle) : handle_(std::move(handle)) {}

  std::shared_ptr<const ExpoTokenizer> handle_;
};

}  // namespace expo
