#include "expo/training/ranks/distributed_ranks.h"

// The header requires the macro with which libtorch was built.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <unistd.h>

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>
#include <exception>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/model/gpu_identity.h"
#include "expo/training/ranks/meeting.h"
#include "expo/training/ranks/nccl_plugin.h"
#include "expo/training/ranks/torch_failure.h"

namespace expo {
namespace {

/// The message of c10d without its backtrace, on one line with that of NCCL.
std::string first_lines(const std::string& text) {
  return on_one_line(text.substr(0, text.find("\nException raised from")));
}

/// Runs a communication with other ranks.
template <typename Talk>
auto talk(const char* what, const Talk& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    throw environment_error(std::string("another rank cannot be reached while ") + what +
                            "; it has probably died or is slower than ddp_timeout allows (" +
                            first_lines(error.what()) + ")");
  }
}

/// Returns the tensor itself, or a copy in memory that the ranks' backend can reach.
at::Tensor reachable(const at::Tensor& values, at::Device device) {
  return values.to(device).contiguous();
}

/// The identity of the GPU and its machine; empty for a CPU.
std::string name_of_gpu(at::Device device) {
  if (!device.is_cuda()) return {};
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const GpuIdentity gpu = identify_gpu(device.index());
  return fmt::format("{} {} {}", host.data(), gpu.name,
                     gpu.uuid.empty() ? std::to_string(device.index()) : gpu.uuid);
}

/// Communicates through any of c10d's backends, which reach the memory of `device_`. Memory is
/// allocated outside of talk(), because a device without free memory does not mean a dead rank.
class BackendRanks final : public RankGroup {
 public:
  BackendRanks(const RankPlace& place, double patience, at::Device device)
      : place_(place),
        device_(device.is_cuda() && has_nccl_plugin() ? device : at::Device(at::kCPU)),
        failures_(std::uncaught_exceptions()) {
    // A device that cannot be used must fail before the others wait for it.
    at::zeros({1}, at::TensorOptions(device));
    const std::chrono::milliseconds timeout(std::llround(patience * 1000));
    const RankIntroduction self{device_.is_cuda() ? "nccl" : "gloo", name_of_gpu(device)};
    talk("the ranks connect", [&] {
      store_ = meet(place);
      introduce(*store_, place.rank, place.size, self, timeout);
      if (device_.is_cuda()) {
        backend_ = make_nccl_backend(store_, place.rank, place.size, timeout);
      } else {
        backend_ = c10::make_intrusive<c10d::ProcessGroupGloo>(
            store_, place.rank, place.size,
            c10d::ProcessGroupGloo::Options::create_default(timeout));
      }
    });
  }
  BackendRanks(const BackendRanks&) = delete;
  BackendRanks& operator=(const BackendRanks&) = delete;

  /// Shuts down in order, or aborts after an error, because the other ranks may never get there.
  ~BackendRanks() override {
    if (!device_.is_cuda()) return;
    try {
      if (std::uncaught_exceptions() > failures_) {
        backend_->abort();
      } else {
        backend_->shutdown();
      }
    } catch (const std::exception&) {
      // The process ends anyway, with an error of its own.
    }
  }

  int rank() const override { return place_.rank; }
  int size() const override { return place_.size; }

  void sum(at::Tensor& values) override {
    std::vector<at::Tensor> tensors = {reachable(values, device_)};
    talk("the ranks sum values", [&] {
      backend_->allreduce(tensors, {})->wait();
      if (!tensors[0].is_alias_of(values)) values.copy_(tensors[0]);
    });
  }

  at::Tensor reduce_scatter(const at::Tensor& whole) override {
    at::Tensor input = reachable(whole, device_);
    at::Tensor share = at::empty({whole.numel() / place_.size}, input.options());
    talk("the ranks sum gradients",
         [&] { backend_->_reduce_scatter_base(share, input, {})->wait(); });
    return share.to(whole.device());
  }

  void all_gather(const at::Tensor& share, const at::Tensor& whole) override {
    at::Tensor input = share.to(device_, share.scalar_type(), false, true);
    at::Tensor output = whole.device() == device_
                            ? whole
                            : at::empty(whole.sizes(), whole.options().device(device_));
    talk("the ranks exchange weights",
         [&] { backend_->_allgather_base(output, input, {})->wait(); });
    if (!output.is_alias_of(whole)) whole.copy_(output);
  }

  void barrier() override {
    at::Tensor nothing = at::zeros({1}, at::kDouble);
    sum(nothing);
  }

 private:
  static c10::intrusive_ptr<c10d::Store> meet(const RankPlace& place) {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(place.port);
    options.isServer = place.rank == 0 && !place.agent_store;
    options.timeout = std::chrono::minutes(5);
    if (!place.agent_store) options.numWorkers = static_cast<std::size_t>(place.size);
    return c10::make_intrusive<c10d::PrefixStore>(
        place.run, c10::make_intrusive<c10d::TCPStore>(place.host, options));
  }

  RankPlace place_;
  at::Device device_;  ///< whose memory the backend reaches
  int failures_;       ///< exceptions in flight when it was made
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::Backend> backend_;
};

}  // namespace

std::unique_ptr<RankGroup> join_ranks(const RankPlace& place, double patience, at::Device device) {
  if (place.size == 1) return single_rank();
  try {
    return std::make_unique<BackendRanks>(place, patience, device);
  } catch (const c10::Error& error) {
    throw describe_failure(error);
  }
}

}  // namespace expo
