#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/engine/tokens/model_tokenizer.h"

namespace expo {

/// A row of a matrix that takes the values of another one.
struct RowCopy {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

/// Rows of an embedding of `rows` tokens, to change so that the log-probabilities of the texts'
/// answers must change if the embedding is read as the head, and cannot if it is read as the input
/// only: tokens that are in no text take the rows of those that the answers consist of, one each.
/// They are then as likely as these wherever an answer goes on, and take from the probability of
/// what stands there. Both in ascending order, as far as there are such tokens.
std::vector<RowCopy> head_changes(std::span<const AnsweredTokens> texts, std::uint64_t rows);

/// Writes a checkpoint of safetensors with such rows of some of its tensors into an existing, empty
/// `folder`. Files without these tensors get a second name there (a hard link), or are copied where
/// the filesystem cannot do that; the others are written anew, never in place. Throws
/// Error(environment), also if there is no room for what is written.
void write_changed_rows(Filesystem& filesystem, const Checkpoint& checkpoint,
                        std::span<const std::string> tensors, std::span<const RowCopy> changes,
                        const std::filesystem::path& folder, const CancellationToken& cancellation);

}  // namespace expo
