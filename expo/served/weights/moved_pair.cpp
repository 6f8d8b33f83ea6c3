#include "expo/served/weights/moved_pair.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/extrapolation/write/input_digest.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/served/model_check.h"
#include "expo/served/served_client.h"
#include "expo/served/weights/weight_type.h"

namespace expo {
namespace {

std::shared_ptr<const Checkpoint> open_aligned(Filesystem& filesystem,
                                               const Environment& environment,
                                               const ServedPair& pair,
                                               const std::shared_ptr<const Checkpoint>& sft) {
  OpenOptions options;
  options.adapter_base = sft;
  return open_checkpoint(filesystem, pair.aligned, options, environment);
}

std::unique_ptr<Engine> embedded_engine(Filesystem& filesystem, const Environment& environment,
                                        const ServedPair& pair, DType dtype,
                                        const EmbeddedOpener& open) {
  EmbeddedSpec spec;
  spec.raw_text = true;
  spec.model = pair.aligned;
  spec.sft = pair.sft;
  spec.dtype = torch_name(dtype);
  spec.rounding = pair.rounding;
  spec.rounding_seed = pair.rounding_seed;
  spec.on_mismatch = pair.on_mismatch;
  spec.threads = pair.threads;
  spec.check();
  return open(filesystem, environment, spec);
}

/// Throws unless the staging folder lies where the mapping begins, which is written without links
/// then.
void check_mapping(Filesystem& filesystem, ServedPair& pair) {
  if (pair.client_path.empty()) return;
  const std::string folder = filesystem.canonical(pair.staging).string();
  const std::string from = filesystem.canonical(pair.client_path).string();
  if (folder == from || folder.starts_with(from == "/" ? from : from + "/")) {
    pair.client_path = from;
    return;
  }
  throw usage_error(fmt::format(
      "--server-path: the staging folder, {}, does not lie in {}; give CLIENT=SERVER with a folder "
      "that it lies in",
      folder, from));
}

/// In the folder that other engines of the same servers use by turns.
std::shared_ptr<StagedWeights> stage(Filesystem& filesystem, const Environment& environment,
                                     const ServedPair& pair, DType dtype,
                                     const std::vector<std::filesystem::path>& inputs,
                                     SharedServers* shared) {
  auto staged = std::make_shared<StagedWeights>(filesystem, environment, pair, dtype, inputs,
                                                shared ? shared->staging : nullptr);
  if (shared) shared->staging = staged->lock();
  return staged;
}

}  // namespace

MovedPair::MovedPair(Filesystem& filesystem, const Environment& environment,
                     const PolicyServer& server, std::shared_ptr<StagedWeights>& staged,
                     const EmbeddedOpener& open_embedded, const CancellationToken& cancellation)
    : filesystem_(filesystem),
      pair_(server.spec.pair.value()),
      sft_(open_checkpoint(filesystem, pair_.sft, {}, environment)),
      aligned_(open_aligned(filesystem, environment, pair_, sft_)),
      reloads_(server.client.address(),
               ApiKey::from_environment(server.spec.key_variable, server.spec.key_option()),
               reload_options(server.spec)),
      probe_(filesystem, *aligned_, server.client, server.dialect, server.model) {
  const std::string where = server.client.address().text();
  const DType dtype =
      served_weight_type(facts_of(server.client, cancellation), server.dialect, pair_.dtype);
  check_mapping(filesystem, pair_);
  if (!staged)
    staged = stage(filesystem, environment, pair_, dtype, sources(), server.spec.shared.get());
  if (staged->dtype() != dtype) {
    throw usage_error(fmt::format(
        "{}: the server holds its weights in {}, but another one in {}; start them with one type",
        where, torch_name(dtype), torch_name(staged->dtype())));
  }
  staged_ = staged;
  std::function<Engine&()> embedded;
  if (pair_.prove_embedded) {
    embedded = [this, &environment, dtype, open_embedded]() -> Engine& {
      if (!embedded_)
        embedded_ = embedded_engine(filesystem_, environment, pair_, dtype, open_embedded);
      return *embedded_;
    };
    embedded();
  }
  weights_.emplace(ReloadedWeights::Parts{reloads_, server.dialect, probe_, *staged_,
                                          pair_.client_path, pair_.server_path,
                                          std::move(embedded)});
}

void MovedPair::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  weights_->move_to(alpha, cancellation);
  is_moved_ = true;
}

void MovedPair::let_go() {
  weights_->forget_place();
  staged_->let_go();
  embedded_.reset();
  is_moved_ = false;
  is_let_go_ = true;
}

void MovedPair::run(const ServedWork& work, const ProvenRequests::Send& send, std::size_t batch,
                    const CancellationToken& cancellation) {
  if (!is_moved_ && is_let_go_) {
    throw usage_error(
        fmt::format("{}: the server may have the weights of another checkpoint; {} must be moved "
                    "to an α before "
                    "it is asked again",
                    where(), pair_.aligned));
  }
  if (!is_moved_) return send(work, cancellation);
  ProvenRequests requests(*weights_, send, batch);
  try {
    requests.run(work, cancellation);
  } catch (...) {
    restored_ += requests.restored();
    throw;
  }
  restored_ += requests.restored();
}

std::vector<std::string> MovedPair::incidents() const {
  if (restored_ == 0) return {};
  return {fmt::format(
      "{}: the server lost the weights that it was moved to {} while it ran {}, as it does when it "
      "is started again; it was moved to them again, and what it had answered since was asked anew",
      where(), restored_ == 1 ? "once" : fmt::format("{} times", restored_), pair_.aligned)};
}

void MovedPair::describe(EngineDescription& description) const {
  description.facts["dtype"] = torch_name(staged_->dtype());
  description.facts["rounding"] = nullptr;
  std::ranges::move(incidents(), std::back_inserter(description.warnings));
  if (!is_moved_) return;
  const StagedCheckpoint& checkpoint = weights_->checkpoint();
  description.effective_alpha = checkpoint.effective_alpha;
  description.facts["rounding"] = to_json(checkpoint.rounding);
  std::ranges::copy(checkpoint.warnings, std::back_inserter(description.warnings));
  if (const std::string note = expo::describe(checkpoint.rounding); !note.empty())
    description.notes.push_back(note);
}

void MovedPair::identify(Json& identity) const {
  identity["files"] = describe_files(filesystem_, *aligned_);
  identity["sft"] = describe_files(filesystem_, *sft_);
  identity["dtype"] = torch_name(staged_->dtype());
  identity["rounding"] = rounding_name(pair_.rounding);
  identity["rounding_seed"] = pair_.rounding_seed;
  identity["on_mismatch"] = mismatch_policy_name(pair_.on_mismatch);
}

std::vector<std::filesystem::path> MovedPair::sources() const {
  std::vector<std::filesystem::path> all = input_paths(filesystem_, *aligned_);
  std::ranges::move(input_paths(filesystem_, *sft_), std::back_inserter(all));
  return all;
}

Json MovedPair::digests(const CancellationToken& cancellation) const {
  const auto of = [&](const Checkpoint& checkpoint) {
    return to_json(InputDigest(filesystem_, checkpoint).finish(cancellation));
  };
  return {{"model", of(*aligned_)}, {"sft", of(*sft_)}};
}

}  // namespace expo
