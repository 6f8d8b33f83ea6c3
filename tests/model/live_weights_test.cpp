#include "expo/model/live/live_weights.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/core/float_formats.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/extrapolation_job.h"
#include "support/contains.h"
#include "support/safetensors_bytes.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

const std::filesystem::path kAligned = EXPO_SOURCE_DIR "/tests/model/goldens/llama_bias";
constexpr unsigned kSeed = 20261124;

std::shared_ptr<const Checkpoint> open(const std::filesystem::path& path) {
  return open_checkpoint(posix_filesystem(), path.string(), {}, hugging_face_environment());
}

std::vector<float> values(const Checkpoint& checkpoint, std::size_t index) {
  std::vector<float> result(checkpoint.tensors()[index].elements());
  ReadScratch scratch;
  const auto bytes = checkpoint.read(index, 0, result.size(), scratch);
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

/// Writes a copy of kAligned in which `change` has been applied to every weight.
void write_changed(const TemporaryFolder& folder, const std::string& name,
                   const std::function<float(float)>& change) {
  const auto aligned = open(kAligned);
  Json header = Json::object();
  std::string data;
  for (std::size_t i = 0; i < aligned->tensors().size(); ++i) {
    const Tensor& tensor = aligned->tensors()[i];
    std::vector<float> weights = values(*aligned, i);
    for (float& weight : weights) weight = change(weight);
    const std::size_t first = data.size();
    data.append(reinterpret_cast<const char*>(weights.data()), weights.size() * sizeof(float));
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {first, data.size()}}};
  }
  folder.write(name + "/model.safetensors", safetensors_bytes(header.dump(), data));
  std::filesystem::copy_file(kAligned / "config.json", folder / name / "config.json");
}

/// With small seeded noise: the model before its training.
void write_sft(const TemporaryFolder& folder) {
  std::mt19937 random(kSeed);
  std::normal_distribution<float> noise(0, 1e-3F);
  write_changed(folder, "sft", [&](float weight) { return weight + noise(random); });
}

class LiveWeightsTest : public testing::Test {
 protected:
  LiveWeightsTest() {
    RecordProperty("seed", static_cast<int>(kSeed));
    write_sft(folder_);
    aligned_ = open(kAligned);
    sft_ = open(folder_ / "sft");
    architecture_ = read_architecture(aligned_->config(), "llama_bias");
  }

  LiveWeights make(const LiveWeightsOptions& options) {
    return LiveWeights(architecture_, aligned_, sft_, options, never_);
  }

  LiveWeights make_at(double alpha, const LiveWeightsOptions& options) {
    const WeightMove move = plan_move(*sft_, *aligned_, AlphaSchedule(alpha), options, never_);
    return LiveWeights(architecture_, aligned_, sft_, options, never_, move);
  }

  std::filesystem::path extrapolate(double alpha, const LiveWeightsOptions& options) {
    ExtrapolationJob job;
    job.sft = sft_->location();
    job.aligned = aligned_->location();
    job.output = folder_ / "out";
    job.alpha = AlphaSchedule(alpha);
    job.out_type = options.dtype;
    job.rounding = options.rounding;
    job.seed = options.seed;
    job.overwrite = true;
    run_extrapolation(posix_filesystem(), hugging_face_environment(), job, nullptr, never_);
    return job.output;
  }

  /// The number of live tensors that differ in any bit from a checkpoint's.
  static std::size_t differing(const LiveWeights& live, const std::filesystem::path& path) {
    const auto written = open(path);
    std::size_t different = 0;
    ReadScratch scratch;
    for (std::size_t i = 0; i < live.store().entries().size(); ++i) {
      const std::size_t index = written->find(live.store().entries()[i].name).value();
      const auto bytes = written->read(index, 0, written->tensors()[index].elements(), scratch);
      if (!std::ranges::equal(bytes, live.store().read(i))) ++different;
    }
    return different;
  }

  TemporaryFolder folder_;
  CancellationToken never_;
  std::shared_ptr<const Checkpoint> aligned_, sft_;
  Architecture architecture_;
};

TEST_F(LiveWeightsTest, AreBitForBitWhatExtrapolationWrites) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const RoundingChoice rounding :
         {RoundingChoice::nearest, RoundingChoice::stochastic, RoundingChoice::automatic}) {
      LiveWeightsOptions options;
      options.dtype = dtype;
      options.rounding = rounding;
      options.seed = 5;
      LiveWeights in_panels = make(options);
      options.panels = false;
      LiveWeights in_tensors = make(options);
      for (const double alpha : {0.3, 8.0, -0.5}) {
        const auto written = extrapolate(alpha, options);
        for (LiveWeights* live : {&in_panels, &in_tensors}) {
          live->move_to(AlphaSchedule(alpha), never_);
          EXPECT_EQ(differing(*live, written), 0U) << alpha;
        }
      }
    }
  }
}

/// Compares with the report of the run that writes a checkpoint.
TEST_F(LiveWeightsTest, MeasureWhatRoundingLeaves) {
  LiveWeightsOptions options;
  options.dtype = DType::bf16;
  options.measures = true;
  const LiveWeights live = make_at(0.3, options);
  ExtrapolationJob job;
  job.sft = (folder_ / "sft").string();
  job.aligned = kAligned.string();
  job.output = folder_ / "out";
  job.alpha = AlphaSchedule(0.3);
  job.out_type = DType::bf16;
  const auto report =
      run_extrapolation(posix_filesystem(), hugging_face_environment(), job, nullptr, never_);
  ASSERT_EQ(live.deltas().size(), report.deltas.size());
  const DeltaSummary found = summarise(total(live.deltas()));
  const DeltaSummary expected = summarise(total(report.deltas));
  EXPECT_EQ(found.elements, expected.elements);
  EXPECT_EQ(found.lost, expected.lost);
  EXPECT_NEAR(*found.effective_alpha, *expected.effective_alpha, 1e-12);
}

TEST_F(LiveWeightsTest, BeginWhereTheyAreTold) {
  const LiveWeightsOptions options;
  EXPECT_EQ(differing(make_at(2.5, options), extrapolate(2.5, options)), 0U);
  const WeightMove move = plan_move(*sft_, *aligned_, AlphaSchedule(1), options, never_);
  EXPECT_THROW(LiveWeights(architecture_, aligned_, nullptr, options, never_, move), Error);
}

/// A move that was settled for nearest although that does not keep α, as a sample that is unlike
/// the whole would have it: from θ_sft in bfloat16, to which nearest takes θ back.
TEST_F(LiveWeightsTest, RoundStochasticallyWhereTheWholeOverrulesTheSample) {
  const auto narrow = [](float weight) {
    return static_cast<float>(bf16_to_double(double_to_bf16(weight)));
  };
  write_changed(folder_, "narrow", narrow);
  write_changed(folder_, "trained", [&](float weight) { return 1.001F * narrow(weight); });
  sft_ = open(folder_ / "narrow");
  aligned_ = open(folder_ / "trained");
  LiveWeightsOptions options;
  options.dtype = DType::bf16;
  options.seed = 5;
  for (const double alpha : {0.0, 1.0}) {
    WeightMove move = plan_move(*sft_, *aligned_, AlphaSchedule(alpha), options, never_);
    ASSERT_EQ(move.rounding.used, Rounding::stochastic) << alpha;
    move.rounding.used = Rounding::nearest;
    move.rounding.nearest_alpha = alpha;
    options.rounding = RoundingChoice::stochastic;
    const auto expected = extrapolate(alpha, options);
    options.rounding = RoundingChoice::automatic;
    const LiveWeights loaded(architecture_, aligned_, sft_, options, never_, move);
    LiveWeights moved = make(options);
    moved.move_to(move, never_);
    for (const LiveWeights* live : {&loaded, static_cast<const LiveWeights*>(&moved)}) {
      EXPECT_EQ(differing(*live, expected), 0U) << alpha;
      EXPECT_EQ(live->rounding().used, Rounding::stochastic);
      EXPECT_FALSE(live->rounding().sampled);
      EXPECT_FALSE(keeps_alpha(alpha, live->rounding().nearest_alpha.value()));
    }
  }
}

TEST_F(LiveWeightsTest, RefuseASourceThatWasCutShort) {
  LiveWeights live = make({});
  live.move_to(AlphaSchedule(1), never_);
  const auto file = folder_ / "sft/model.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  try {
    live.move_to(AlphaSchedule(2), never_);
    FAIL() << "it moved";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_TRUE(contains(error.what(), "cut short"));
  }
}

TEST_F(LiveWeightsTest, FollowAnAlphaOfEachModule) {
  LiveWeightsOptions options;
  LiveWeights live = make(options);
  AlphaSchedule schedule(0);
  schedule.add_rule("mlp", 2);
  live.move_to(schedule, never_);
  const auto two = extrapolate(2, options);
  const auto zero = kAligned;
  for (std::size_t i = 0; i < live.store().entries().size(); ++i) {
    const std::string& name = live.store().entries()[i].name;
    const auto expected = open(name.find("mlp") == std::string::npos ? zero : two);
    const auto numbers = values(*expected, expected->find(name).value());
    const auto bytes = live.store().read(i);
    ASSERT_EQ(bytes.size(), numbers.size() * sizeof(float));
    EXPECT_EQ(std::memcmp(numbers.data(), bytes.data(), bytes.size()), 0) << name;
  }
}

TEST_F(LiveWeightsTest, ComeBackToAlignedBitForBit) {
  LiveWeights live = make({});
  EXPECT_EQ(differing(live, kAligned), 0U);
  live.move_to(AlphaSchedule(3), never_);
  EXPECT_GT(differing(live, kAligned), 0U);
  live.move_to(AlphaSchedule(0), never_);
  EXPECT_EQ(differing(live, kAligned), 0U);
}

TEST_F(LiveWeightsTest, DoNotDependOnTheNumberOfThreads) {
  LiveWeightsOptions options;
  options.rounding = RoundingChoice::stochastic;
  options.dtype = DType::bf16;
  options.threads = 1;
  LiveWeights one = make(options);
  options.threads = 5;
  LiveWeights five = make(options);
  one.move_to(AlphaSchedule(0.3), never_);
  five.move_to(AlphaSchedule(0.3), never_);
  for (std::size_t i = 0; i < one.store().entries().size(); ++i)
    EXPECT_EQ(one.store().read(i), five.store().read(i)) << one.store().entries()[i].name;
}

TEST_F(LiveWeightsTest, RefuseToMoveWithoutSft) {
  LiveWeights live(architecture_, aligned_, nullptr, {}, never_);
  try {
    live.move_to(AlphaSchedule(0.3), never_);
    FAIL() << "it moved";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage);
    EXPECT_TRUE(contains(error.what(), "SFT"));
  }
}

TEST_F(LiveWeightsTest, RefuseACheckpointOfAnotherArchitecture) {
  Architecture other = architecture_;
  other.mlp_bias = false;
  EXPECT_THROW(LiveWeights(other, aligned_, nullptr, {}, never_), Error);
  other = architecture_;
  other.query_key_norm = QueryKeyNorm::per_head;
  EXPECT_THROW(LiveWeights(other, aligned_, nullptr, {}, never_), Error);
  other = architecture_;
  other.intermediate = 40;
  EXPECT_THROW(LiveWeights(other, aligned_, nullptr, {}, never_), Error);
}

TEST_F(LiveWeightsTest, RunInFloat32OrBfloat16Only) {
  LiveWeightsOptions options;
  options.dtype = DType::f16;
  EXPECT_THROW(make(options), Error);
}

TEST_F(LiveWeightsTest, StopWhenInterrupted) {
  LiveWeights live = make({});
  CancellationToken cancelled;
  cancelled.cancel();
  EXPECT_THROW(live.move_to(AlphaSchedule(1), cancelled), Error);
  live.move_to(AlphaSchedule(0), never_);
  EXPECT_EQ(differing(live, kAligned), 0U);
}

}  // namespace
}  // namespace expo
