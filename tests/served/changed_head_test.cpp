#include "expo/served/weights/changed_head.h"

#include <gtest/gtest.h>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/folder_files.h"
#include "support/tensor_file.h"

namespace expo {
namespace {

using Rows = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

Rows rows_of(const std::vector<RowCopy>& changes) {
  Rows rows;
  for (const RowCopy& change : changes) rows.emplace_back(change.from, change.to);
  return rows;
}

TEST(HeadChanges, TokensOfNoTextTakeTheRowsOfTheAnswersTokens) {
  const std::vector<AnsweredTokens> texts = {{.tokens = {0, 5, 7, 9, 7}, .answer_start = 2},
                                             {.tokens = {2, 3, 5}, .answer_start = 1}};
  // The answers have 3, 5, 7 and 9; 0 and 2 are inputs only.
  EXPECT_EQ(rows_of(head_changes(texts, 20)), (Rows{{3, 1}, {5, 4}, {7, 6}, {9, 8}}));
}

TEST(HeadChanges, StayWithinTheVocabulary) {
  const std::vector<AnsweredTokens> texts = {{.tokens = {1, 0, 2, 9}, .answer_start = 1}};
  EXPECT_EQ(rows_of(head_changes(texts, 4)), (Rows{{0, 3}}));
  EXPECT_EQ(rows_of(head_changes(texts, 3)), Rows{});
  EXPECT_EQ(rows_of(head_changes({}, 3)), Rows{});
}

/// A model of two shards; the embedding's rows are 1, 2, … in each place, unless said otherwise.
FolderFiles model(std::vector<double> rows = {1, 2, 3, 4, 5}) {
  FileTensor embedding{"model.embed_tokens.weight", {rows.size(), 3}, {}, DType::bf16};
  for (const double row : rows) embedding.values.insert(embedding.values.end(), 3, row);
  const FileTensor before{"model.norm.weight", {3}, {0.5, 0.25, 0.125}, DType::bf16};
  const FileTensor other{"model.layers.0.mlp.up_proj.weight", {1, 3}, {7, 8, 9}, DType::bf16};
  return {{"config.json", R"({"model_type":"llama","tie_word_embeddings":true})"},
          {"more/notes.json", "{}"},
          {"model.safetensors.index.json",
           R"({"metadata":{},"weight_map":{"model.norm.weight":"model-00001-of-00002.safetensors",)"
           R"("model.embed_tokens.weight":"model-00001-of-00002.safetensors",)"
           R"("model.layers.0.mlp.up_proj.weight":"model-00002-of-00002.safetensors"}})"},
          {"model-00001-of-00002.safetensors", tensor_file({before, embedding})},
          {"model-00002-of-00002.safetensors", tensor_file({other})}};
}

struct Disk {
  MemoryFilesystem memory;

  Disk() {
    write_files(memory, "/staged", model());
    memory.create_directory("/changed");
  }

  void write(const std::vector<RowCopy>& changes) {
    const auto checkpoint = open_checkpoint(memory, "/staged", {}, {});
    const std::vector<std::string> names = {"model.embed_tokens.weight"};
    write_changed_rows(memory, *checkpoint, names, changes, "/changed", CancellationToken());
  }
  FolderFiles written() { return files_in(memory, "/changed"); }
};

TEST(WriteChangedRows, TakesTheRowsAndNothingElse) {
  Disk disk;
  disk.write({{2, 0}, {1, 4}});
  EXPECT_TRUE(same_files(disk.written(), model({3, 2, 3, 4, 2})));
  EXPECT_TRUE(same_files(files_in(disk.memory, "/staged"), model()));
}

TEST(WriteChangedRows, NeedsRoom) {
  Disk disk;
  disk.memory.set_capacity(0);
  try {
    disk.write({{2, 0}});
    FAIL() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::environment) << error.what();
  }
  EXPECT_TRUE(same_files(files_in(disk.memory, "/staged"), model()));
}

}  // namespace
}  // namespace expo
