#include "expo/training/data/byte_digest.h"

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <new>

namespace expo {

struct ByteDigest::State {
  XXH3_state_t* hash = XXH3_createState();
  ~State() { XXH3_freeState(hash); }
};

ByteDigest::ByteDigest() : state_(std::make_unique<State>()) {
  if (state_->hash == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_->hash);
}

ByteDigest::~ByteDigest() = default;

void ByteDigest::add(const void* data, std::size_t size) {
  XXH3_128bits_update(state_->hash, data, size);
}

std::string ByteDigest::text() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->hash);
  return fmt::format("xxh3-128:{:016x}{:016x}", hash.high64, hash.low64);
}

std::string digest_of_bytes(const void* data, std::size_t size) {
  ByteDigest digest;
  digest.add(data, size);
  return digest.text();
}

}  // namespace expo
