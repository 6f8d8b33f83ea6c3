#include "expo/text/tokenizer.h"

#include "expo/core/error.h"
#include "expo/text/bridge_values.h"

namespace expo {

using bridge::Bytes;
using bridge::bytes_of;
using bridge::Ids;

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view where) {
  Bytes error;
  ExpoTokenizer* handle = expo_tokenizer_new(bytes_of(json), json.size(), error.out());
  if (handle == nullptr) {
    throw input_error(std::string(where) + ": cannot be read as a tokenizer (" + error.text() +
                      "); it may be damaged, or written for a newer version");
  }
  return Tokenizer({handle, [](ExpoTokenizer* owned) { expo_tokenizer_free(owned); }});
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  Ids ids;
  Bytes error;
  if (!expo_tokenizer_encode(handle_.get(), bytes_of(text), text.size(),
                             special == SpecialTokens::keep, ids.out(), error.out())) {
    throw input_error("a text cannot be tokenized: " + error.text());
  }
  return ids.vector();
}

EncodedText Tokenizer::encode_with_places(std::string_view text, SpecialTokens special) const {
  Ids ids;
  Ids places;
  Bytes error;
  if (!expo_tokenizer_encode_places(handle_.get(), bytes_of(text), text.size(),
                                    special == SpecialTokens::keep, ids.out(), places.out(),
                                    error.out())) {
    throw input_error("a text cannot be tokenized: " + error.text());
  }
  return {ids.vector(), places.spans()};
}

std::string Tokenizer::decode(std::span<const TokenId> ids, SpecialTokens special) const {
  Bytes text;
  Bytes error;
  if (!expo_tokenizer_decode(handle_.get(), ids.data(), ids.size(),
                             special == SpecialTokens::keep_out, text.out(), error.out())) {
    throw input_error("token ids cannot be decoded: " + error.text());
  }
  return text.text();
}

std::size_t Tokenizer::size() const {
  return expo_tokenizer_size(handle_.get());
}

std::optional<TokenId> Tokenizer::id(std::string_view token) const {
  const std::int64_t found = expo_tokenizer_id(handle_.get(), bytes_of(token), token.size());
  if (found < 0) return std::nullopt;
  return static_cast<TokenId>(found);
}

std::optional<std::string> Tokenizer::token(TokenId id) const {
  Bytes token;
  if (!expo_tokenizer_token(handle_.get(), id, token.out())) return std::nullopt;
  return token.text();
}

bool Tokenizer::is_special(TokenId id) const {
  return expo_tokenizer_is_special(handle_.get(), id);
}

}  // namespace expo
