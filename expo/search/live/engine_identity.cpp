#include "expo/search/live/engine_identity.h"

namespace expo {

Json identity_with_digests(const Engine& engine, const CancellationToken& cancellation) {
  Json identity = engine.describe().identity;
  if (identity.is_object() && identity.contains("alpha")) identity["alpha"] = nullptr;
  return {{"engine", std::move(identity)}, {"digests", engine.digests(cancellation)}};
}

}  // namespace expo
