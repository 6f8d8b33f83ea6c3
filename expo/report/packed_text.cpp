#include "expo/report/packed_text.h"

#include <zlib.h>

#include <array>
#include <cstdint>
#include <new>

namespace expo {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;
constexpr int kGzip = 16;  // added to the size of the window
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One to three bytes as four characters.
void append_group(std::string& text, std::string_view bytes) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 3; ++i)
    bits = bits << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
  for (std::size_t i = 0; i < 4; ++i)
    text += i <= bytes.size() ? kDigits[bits >> (18 - 6 * i) & 63U] : '=';
}

}  // namespace

struct PackedText::Deflater {
  Deflater() {
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, MAX_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~Deflater() { deflateEnd(&stream); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  z_stream stream{};
};

PackedText::PackedText(const TextSink& sink)
    : sink_(sink), deflater_(std::make_unique<Deflater>()) {}

PackedText::~PackedText() = default;

void PackedText::add(std::string_view text) {
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, kPiece - pending_.size());
    pending_ += piece;
    text.remove_prefix(piece.size());
    if (pending_.size() == kPiece) deflate(false);
  }
}

void PackedText::finish() {
  deflate(true);
  encode({}, true);
}

/// Compresses what is pending.
void PackedText::deflate(bool is_last) {
  std::array<unsigned char, kPiece> out;  // NOLINT: filled by zlib
  z_stream& stream = deflater_->stream;
  stream.next_in = reinterpret_cast<unsigned char*>(pending_.data());
  stream.avail_in = static_cast<unsigned>(pending_.size());
  do {
    stream.next_out = out.data();
    stream.avail_out = static_cast<unsigned>(out.size());
    ::deflate(&stream, is_last ? Z_FINISH : Z_NO_FLUSH);  // cannot fail with room for its output
    encode({reinterpret_cast<const char*>(out.data()), out.size() - stream.avail_out}, false);
  } while (stream.avail_out == 0);
  pending_.clear();
}

void PackedText::encode(std::string_view bytes, bool is_last) {
  carry_ += bytes;
  const std::size_t whole = is_last ? carry_.size() : carry_.size() / 3 * 3;
  std::string text;
  text.reserve((whole + 2) / 3 * 4);
  for (std::size_t i = 0; i < whole; i += 3)
    append_group(text, std::string_view(carry_).substr(i, std::min<std::size_t>(3, whole - i)));
  carry_.erase(0, whole);
  if (!text.empty()) sink_(text);
}

}  // namespace expo
