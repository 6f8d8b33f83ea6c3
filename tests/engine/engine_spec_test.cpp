#include "expo/engine/engine_spec.h"

#include <gtest/gtest.h>

#include "expo/core/device_word.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

std::string refusal(const EmbeddedSpec& spec) {
  try {
    check(EngineSpec(spec));
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage);
    return error.what();
  }
  return "nothing was refused";
}

std::string refusal_of_device(const char* word) {
  EmbeddedSpec spec;
  spec.device = word;
  return refusal(spec);
}

std::string refusal_of_dtype(const char* word) {
  EmbeddedSpec spec;
  spec.dtype = word;
  return refusal(spec);
}

TEST(EngineSpec, SaysWhetherLibtorchIsNeeded) {
  EXPECT_TRUE(needs_libtorch(EmbeddedSpec()));
}

TEST(EngineSpec, IsCheckedBeforeAnythingIsOpened) {
  EXPECT_EQ(refusal({}), "nothing was refused");
  for (const char* word : {"cpu", "cuda", "cuda:0", "cuda:127"})
    EXPECT_EQ(refusal_of_device(word), "nothing was refused");
  for (const char* word : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:128", "CPU", ""})
    EXPECT_TRUE(contains(refusal_of_device(word), "expected auto, cpu, cuda or cuda:N")) << word;
  for (const char* word : {"f32", "bf16", "bfloat16"})
    EXPECT_EQ(refusal_of_dtype(word), "nothing was refused");
  for (const char* word : {"f16", "q8_0", ""})
    EXPECT_TRUE(contains(refusal_of_dtype(word), "expected auto, f32 or bf16")) << word;
}

TEST(DeviceWord, SaysWhatMayBeChosen) {
  const DeviceWord automatic = parse_device_word("auto");
  EXPECT_TRUE(automatic.may_be_cpu && automatic.may_be_gpu && !automatic.number);
  const DeviceWord third = parse_device_word("cuda:3");
  EXPECT_TRUE(!third.may_be_cpu && third.may_be_gpu);
  EXPECT_EQ(third.number, 3);
  EXPECT_FALSE(parse_device_word("cpu").may_be_gpu);
  EXPECT_FALSE(parse_device_word("cuda").may_be_cpu);
}

}  // namespace
}  // namespace expo
