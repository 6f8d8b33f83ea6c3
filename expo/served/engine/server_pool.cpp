#include "expo/served/engine/server_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/served/engine/shared_rows.h"

namespace expo {
namespace {

using Clock = std::chrono::steady_clock;

/// What the results depend on: not where the servers have read the model.
Json comparable(const Engine& engine) {
  Json identity = engine.describe().identity;
  identity.erase("root");
  return identity;
}

template <typename T>
std::vector<T> chosen(std::span<const T> all, const std::vector<std::size_t>& numbers) {
  std::vector<T> result;
  for (const std::size_t number : numbers) result.push_back(all[number]);
  return result;
}

class ServerPool final : public Engine {
 public:
  ServerPool(std::vector<PooledServer> servers, std::vector<std::string> lost, std::size_t batch,
             std::shared_ptr<SharedServers> shared)
      : servers_(std::move(servers)),
        lost_(std::move(lost)),
        batch_(batch),
        shared_(shared ? std::move(shared) : std::make_shared<SharedServers>()) {
    const PooledServer& first = servers_.front();
    for (const PooledServer& each : servers_) {
      if (comparable(*each.engine) == comparable(*first.engine)) continue;
      throw input_error(fmt::format(
          "{}: the server does not say the same of its model as {} (name, version, tokenizer, type "
          "or adapters differ); servers that share the work must be alike",
          each.address, first.address));
    }
  }

  EngineDescription describe() const override {
    EngineDescription result = servers_.front().engine->describe();
    std::string urls;
    for (const PooledServer& each : servers_) urls += (urls.empty() ? "" : ",") + each.address;
    result.facts["url"] = urls;
    for (const std::string& incident : incidents()) {
      if (std::ranges::find(result.warnings, incident) == result.warnings.end())
        result.warnings.push_back(incident);
    }
    return result;
  }

  std::vector<std::string> incidents() const override {
    std::vector<std::string> all = lost_;
    for (const PooledServer& each : servers_)
      std::ranges::move(each.engine->incidents(), std::back_inserter(all));
    return all;
  }

  std::vector<std::filesystem::path> sources() const override {
    return servers_.front().engine->sources();
  }
  Json digests(const CancellationToken& cancellation) const override {
    return servers_.front().engine->digests(cancellation);
  }
  std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations) override {
    return servers_.front().engine->count_tokens(conversations);
  }
  std::optional<std::vector<std::size_t>> count_log_prob_tokens(
      std::span<const Conversation> answered) override {
    return servers_.front().engine->count_log_prob_tokens(answered);
  }
  bool has_log_probs() const override { return servers_.front().engine->has_log_probs(); }

  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions& options, const AnswerSink& sink,
                          const TokenSink& advance,
                          const CancellationToken& cancellation) override {
    std::mutex mutex;
    AnswerStatistics statistics;
    const auto start = Clock::now();
    share(tasks.size(), cancellation, [&](Engine& engine, SharedRows::Part& part) {
      const std::vector<AnswerTask> own = chosen(tasks, part.rows());
      const auto pass_on = [&](Answer answer) {
        const auto number = std::ranges::find_if(own, [&](const AnswerTask& each) {
          return each.prompt == answer.task.prompt && each.sample == answer.task.sample;
        });
        part.finish(static_cast<std::size_t>(number - own.begin()),
                    [&] { sink(std::move(answer)); });
      };
      const auto count = [&](std::uint64_t tokens) { part.report([&] { advance(tokens); }); };
      const AnswerStatistics done =
          engine.answer(prompts, own, options, pass_on, count, part.cancellation());
      const std::scoped_lock lock(mutex);
      statistics.tokens += done.tokens;
      statistics.peak_batch += done.peak_batch;
    });
    statistics.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return statistics;
  }

  std::vector<std::vector<float>> rewards(std::span<const Conversation> answered,
                                          const TokenSink& advance,
                                          const CancellationToken& cancellation) override {
    return judge(&Engine::rewards, answered, advance, cancellation);
  }
  std::vector<std::vector<float>> log_probs(std::span<const Conversation> answered,
                                            const TokenSink& advance,
                                            const CancellationToken& cancellation) override {
    return judge(&Engine::log_probs, answered, advance, cancellation);
  }

  void move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) override {
    follow_others();
    for (std::size_t i = 0; i < servers_.size();) {
      try {
        servers_[i].engine->move_to(alpha, cancellation);
        ++i;
      } catch (const Error& error) {
        if (error.category() != ErrorCategory::environment) throw;
        leave_out(i, error);
      }
    }
  }

  void let_go() override {
    for (const PooledServer& each : servers_) each.engine->let_go();
  }

 private:
  using Judge = std::vector<std::vector<float>> (Engine::*)(std::span<const Conversation>,
                                                            const TokenSink&,
                                                            const CancellationToken&);

  std::vector<std::vector<float>> judge(Judge function, std::span<const Conversation> answered,
                                        const TokenSink& advance,
                                        const CancellationToken& cancellation) {
    std::vector<std::vector<float>> results(answered.size());
    share(answered.size(), cancellation, [&](Engine& engine, SharedRows::Part& part) {
      const std::vector<Conversation> own = chosen(answered, part.rows());
      const auto count = [&](std::uint64_t tokens) { part.report([&] { advance(tokens); }); };
      auto values = (engine.*function)(own, count, part.cancellation());
      for (std::size_t i = 0; i < own.size(); ++i)
        part.finish(i, [&] { results[part.rows()[i]] = std::move(values[i]); });
    });
    return results;
  }

  void share(std::size_t rows, const CancellationToken& cancellation,
             const std::function<void(Engine&, SharedRows::Part&)>& work) {
    if (rows == 0) return;
    follow_others();
    const auto failures =
        SharedRows(rows, servers_.size(), batch_)
            .run([&](std::size_t server,
                     SharedRows::Part& part) { work(*servers_[server].engine, part); },
                 cancellation);
    for (std::size_t i = failures.size(); i-- > 0;) {
      if (failures[i] && servers_.size() > 1) leave_out(i, *failures[i]);
    }
  }

  /// Leaves out what another pool has found dead.
  void follow_others() {
    std::vector<std::string> addresses;
    for (const PooledServer& each : servers_) addresses.push_back(each.address);
    addresses = shared_->to_ask(std::move(addresses));
    std::erase_if(servers_, [&](const PooledServer& each) {
      return std::ranges::find(addresses, each.address) == addresses.end();
    });
  }

  /// Throws the failure if it is the last server's.
  void leave_out(std::size_t number, const Error& failure) {
    if (servers_.size() == 1) throw failure;
    lost_.push_back(
        fmt::format("{}: this server is left out from now on, and its rows are asked "
                    "of the others: {}",
                    servers_[number].address, failure.what()));
    shared_->left_out.insert(servers_[number].address);
    servers_.erase(servers_.begin() + static_cast<std::ptrdiff_t>(number));
  }

  std::vector<PooledServer> servers_;
  std::vector<std::string> lost_;
  std::size_t batch_;
  std::shared_ptr<SharedServers> shared_;
};

}  // namespace

std::unique_ptr<Engine> pool_servers(std::vector<PooledServer> servers,
                                     std::vector<std::string> lost, std::size_t batch,
                                     std::shared_ptr<SharedServers> shared) {
  return std::make_unique<ServerPool>(std::move(servers), std::move(lost), batch,
                                      std::move(shared));
}

}  // namespace expo
