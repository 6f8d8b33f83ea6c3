#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace expo {

/// The digest of bytes that arrive in pieces, in the form that the room extrapolation/write uses:
/// "xxh3-128:…".
class ByteDigest {
 public:
  ByteDigest();
  ~ByteDigest();
  ByteDigest(const ByteDigest&) = delete;
  ByteDigest& operator=(const ByteDigest&) = delete;

  void add(const void* data, std::size_t size);
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string digest_of_bytes(const void* data, std::size_t size);

}  // namespace expo
