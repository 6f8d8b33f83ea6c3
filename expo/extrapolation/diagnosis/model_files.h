#pragma once

#include <optional>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/extrapolation/diagnosis/verdict.h"

namespace expo {

/// The text of a sidecar file, nothing where there is none of that name. Throws Error(input) where
/// it is larger than 256 MB or cannot be read.
std::optional<std::string> sidecar_text(Filesystem& filesystem, const Checkpoint& checkpoint,
                                        std::string_view name);

/// The chat template: of chat_template.jinja, chat_template.json or tokenizer_config.json, where
/// transformers looks for it. A list of named templates is given as its JSON text. Files that are
/// not valid JSON count as silent.
std::optional<std::string> chat_template(Filesystem& filesystem, const Checkpoint& checkpoint);

/// "BPE (tokenizer.json)", "Unigram (tokenizer.json)", "SentencePiece (tokenizer.model)",
/// "BPE (vocab.json, merges.txt)", "WordPiece (vocab.txt)"; nothing without a tokenizer.
std::optional<std::string> tokenizer_kind(Filesystem& filesystem, const Checkpoint& checkpoint);

/// What the files around two checkpoints say about their relation, for judge().
PairFacts pair_facts(Filesystem& filesystem, const Checkpoint& sft, const Checkpoint& aligned);

}  // namespace expo
