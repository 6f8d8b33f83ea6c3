#include "expo/training/distributed_ranks.h"

// What libtorch was built with; the header asks for it.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cmath>

#include "expo/core/error.h"

namespace expo {
namespace {

/// Runs what talks to other ranks.
template <typename Talk>
auto talk(const char* what, const Talk& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    std::string reason = error.what();
    reason.resize(std::min(reason.find('\n'), reason.size()));
    throw environment_error(std::string("another rank cannot be reached while ") + what +
                            "; it has probably died, or is slower than ddp_timeout allows (" +
                            reason + ")");
  }
}

class GlooRanks final : public RankGroup {
 public:
  GlooRanks(const RankPlace& place, double patience) : place_(place) {
    talk("the ranks meet", [&] {
      c10d::TCPStoreOptions options;
      options.port = static_cast<std::uint16_t>(place.port);
      options.isServer = place.rank == 0 && !place.agent_store;
      options.timeout = std::chrono::minutes(5);
      if (!place.agent_store) options.numWorkers = static_cast<std::size_t>(place.size);
      store_ = c10::make_intrusive<c10d::PrefixStore>(
          place.run, c10::make_intrusive<c10d::TCPStore>(place.host, options));
      const auto group = c10d::ProcessGroupGloo::Options::create_default(
          std::chrono::milliseconds(std::llround(patience * 1000)));
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, place.rank, place.size, group);
    });
  }

  int rank() const override { return place_.rank; }
  int size() const override { return place_.size; }

  void sum(at::Tensor& values) override {
    talk("they add up numbers", [&] {
      std::vector<at::Tensor> tensors = {values};
      group_->allreduce(tensors, {})->wait();
    });
  }

  at::Tensor reduce_scatter(const at::Tensor& whole) override {
    return talk("they add up gradients", [&] {
      at::Tensor input = whole;
      at::Tensor share = at::empty({whole.numel() / place_.size}, whole.options());
      group_->_reduce_scatter_base(share, input, {})->wait();
      return share;
    });
  }

  void all_gather(const at::Tensor& share, const at::Tensor& whole) override {
    talk("they exchange weights", [&] {
      at::Tensor input = share.clone();
      at::Tensor output = whole;
      group_->_allgather_base(output, input, {})->wait();
    });
  }

  void barrier() override {
    talk("they wait for each other", [&] { group_->barrier({})->wait(); });
  }

 private:
  RankPlace place_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

std::unique_ptr<RankGroup> join_ranks(const RankPlace& place, double patience) {
  if (place.size == 1) return single_rank();
  return std::make_unique<GlooRanks>(place, patience);
}

}  // namespace expo
