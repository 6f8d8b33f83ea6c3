// A disk that fails, and a process that dies, while a training run writes: whatever is left is
// whole, and going on from it ends in the bytes of the run that was not disturbed.

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/training/run/folder.h"
#include "expo/training/run/job.h"

#include "trained_model.h"

namespace expo {
namespace {

constexpr FileCall kWritingCalls[] = {FileCall::create,          FileCall::write,
                                      FileCall::allocate,        FileCall::sync,
                                      FileCall::close,           FileCall::create_directory,
                                      FileCall::remove,          FileCall::rename_no_replace,
                                      FileCall::rename_exchange, FileCall::rename_replace,
                                      FileCall::sync_directory,  FileCall::lock};
const std::filesystem::path kOutput = "/run";

Json tokenizer() {
  const std::vector<std::string> specials = {"<unk>", "<bos>", "<end>", "<user>", "<assistant>"};
  Json vocabulary, added = Json::array();
  for (const std::string& token : specials) {
    added.push_back({{"id", vocabulary.size()},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
    vocabulary[token] = vocabulary.size();
  }
  while (vocabulary.size() < 96)
    vocabulary["w" + std::to_string(vocabulary.size())] = vocabulary.size();
  return {{"version", "1.0"},
          {"truncation", Json()},
          {"padding", Json()},
          {"added_tokens", added},
          {"normalizer", Json()},
          {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
          {"post_processor", Json()},
          {"decoder", Json()},
          {"model", {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "<unk>"}}}};
}

/// A model that can chat, and four pairs.
void write_inputs(MemoryFilesystem& memory) {
  memory.create_directory("/model");
  for (const char* name : {"config.json", "model.safetensors"})
    memory.write_text(std::filesystem::path("/model") / name,
                      posix_filesystem().read_text(kModels / "llama" / name));
  memory.write_text("/model/tokenizer.json", tokenizer().dump());
  memory.write_text("/model/tokenizer_config.json",
                    Json{{"eos_token", "<end>"},
                         {"chat_template",
                          "{% for m in messages %}<{{ m.role }}> {{ m.content }} <end> {% endfor %}"
                          "{% if add_generation_prompt %}<assistant> {% endif %}"}}
                        .dump());
  std::string rows;
  for (int i = 0; i < 4; ++i) {
    const auto word = [&](int offset) { return "w" + std::to_string(10 + 7 * i + offset); };
    rows += Json{{"prompt", word(0) + " " + word(1)}, {"chosen", word(2)}, {"rejected", word(3)}}
                .dump() +
            "\n";
  }
  memory.write_text("/pairs.jsonl", rows);
  memory.make_durable();
}

TrainingConfig config() {
  TrainingConfig result = default_config(TrainingMethod::dpo);
  result.model_name_or_path = "/model";
  result.dataset_name = "/pairs.jsonl";
  result.output_dir = kOutput.string();
  result.resume = true;
  result.per_device_train_batch_size = 2;
  result.gradient_accumulation_steps = 1;
  result.learning_rate = 1e-3;
  result.save_steps = 1;
  result.save_total_limit = 1;
  result.bf16 = false;
  result.threads = 1;
  return result;
}

void train(Filesystem& filesystem) {
  TrainingJob job;
  job.config = config();
  const auto ranks = single_rank();
  run_training(filesystem, Environment(), *ranks, job, CancellationToken());
}

std::string result_of(Filesystem& filesystem) {
  return filesystem.read_text(kOutput / "final/model.safetensors");
}

/// Every checkpoint that is there can be read: none is half written.
void expect_whole_checkpoints(Filesystem& filesystem) {
  for (const auto& [step, folder] : list_run_checkpoints(filesystem, kOutput)) {
    for (const char* name : {"model.safetensors", "optimizer_rank0_of_1.safetensors"}) {
      EXPECT_NO_THROW(open_checkpoint(filesystem, (folder / name).string(), {}, Environment()));
    }
    EXPECT_TRUE(filesystem.exists(folder / "config.json"));
    EXPECT_TRUE(filesystem.exists(folder / "tokenizer.json"));
  }
}

std::vector<std::string> left_over(Filesystem& filesystem) {
  std::vector<std::string> names;
  for (const std::string& name : filesystem.list(kOutput)) {
    if (name.starts_with('.')) names.push_back(name);
  }
  return names;
}

class Faults : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    MemoryFilesystem memory;
    write_inputs(memory);
    train(memory);
    expected_ = result_of(memory);
  }

  /// Makes every call of that kind fail in turn.
  void fail_each(FileCall call, const std::function<void(MemoryFilesystem&)>& trial) {
    for (std::size_t occurrence = 1;; ++occurrence) {
      MemoryFilesystem memory;
      write_inputs(memory);
      FaultInjectingFilesystem faulty(memory);
      faulty.inject({call, occurrence, ENOSPC, true, !GetParam(), GetParam()});
      SCOPED_TRACE(std::string(name_of(call)) + " " + std::to_string(occurrence));
      try {
        train(faulty);
      } catch (const Error& error) {
        EXPECT_EQ(error.category(), ErrorCategory::environment) << error.what();
      } catch (const ProcessDied&) {
        memory.lose_power();
      }
      if (!faulty.struck()) return;
      trial(memory);
      if (HasFailure()) return;
    }
  }

  std::string expected_;
};

TEST_P(Faults, LeaveWhatCanBeGoneOnFrom) {
  for (const FileCall call : kWritingCalls) {
    fail_each(call, [&](MemoryFilesystem& memory) {
      expect_whole_checkpoints(memory);
      train(memory);
      EXPECT_EQ(result_of(memory), expected_);
      EXPECT_EQ(left_over(memory), std::vector<std::string>());
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Training, Faults, testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "Death" : "FullDisk");
});

}  // namespace
}  // namespace expo
