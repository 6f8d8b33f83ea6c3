#pragma once

#include <memory>

#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/engine/engine_spec.h"

namespace expo {

/// Opens an engine whose model a server runs. Prompts go out as the token ids of the served
/// checkpoint's own tokenizer and template, which must lie on this machine too; only a server of
/// the kind `openai` without `tokenizer` gets messages, or text, and makes tokens of them itself.
/// Each answer is a request with a seed of its own, which depends on the seed of the run, the
/// prompt's id and the sample.
///
/// Asks the server which models it has: throws Error(input) if `model` is not among them, or if
/// none is named and it has several. Throws what HttpClient and ModelTokenizer throw. `filesystem`
/// and `environment` must outlive it.
///
/// Several addresses are one engine (see server_pool.h). With a pair, it moves to α by whole
/// checkpoints, on vLLM only (see moved_pair.h); `open_embedded` is called for
/// ServedPair::prove_embedded only.
std::unique_ptr<Engine> open_served_engine(Filesystem& filesystem, const Environment& environment,
                                           const ServedSpec& spec,
                                           const CancellationToken& cancellation,
                                           const EmbeddedOpener& open_embedded = {});

}  // namespace expo
