#pragma once

#include <optional>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/extrapolation/diagnosis/verdict.h"

namespace expo {

/// The text of a sidecar file; std::nullopt if there is none of that name. Throws Error(input) if
/// it is larger than 256 MB or cannot be read.
std::optional<std::string> sidecar_text(Filesystem& filesystem, const Checkpoint& checkpoint,
                                        std::string_view name);

/// The chat template from chat_template.jinja, chat_template.json or tokenizer_config.json, where
/// transformers looks for it. A list of named templates is returned as its JSON text. Files that
/// are not valid JSON are ignored.
std::optional<std::string> chat_template(Filesystem& filesystem, const Checkpoint& checkpoint);

/// The kind of tokenizer: "BPE (tokenizer.json)", "Unigram (tokenizer.json)", "SentencePiece
/// (tokenizer.model)", "BPE (vocab.json, merges.txt)", "WordPiece (vocab.txt)"; std::nullopt
/// without a tokenizer.
std::optional<std::string> tokenizer_kind(Filesystem& filesystem, const Checkpoint& checkpoint);

/// What the files beside the weights of two checkpoints say about their relation, for judge().
PairFacts pair_facts(Filesystem& filesystem, const Checkpoint& sft, const Checkpoint& aligned);

}  // namespace expo
