#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "expo/evaluation/judge/judge.h"
#include "expo/evaluation/judge/served/chat_server.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say which judge is asked, how, and what it may cost.
struct JudgeServerOptions {
  std::string judge;  ///< KIND=URL#NAME
  std::string key_variable;
  double timeout = ChatServer().answer_seconds;
  std::size_t requests = ChatServer().max_requests;
  std::string cache;
  std::optional<double> prompt_price;  ///< dollars for a million tokens
  std::optional<double> completion_price;
  std::optional<double> budget;  ///< dollars

  void declare(CLI::App& command);
  /// Throws Error(usage) for a word that names no server or no model of it.
  ChatServer server() const;
  /// What is asked of the model that is named. Throws what server() throws, and Error(usage) for
  /// half a price, and for a budget without prices.
  JudgeOptions judge_options() const;

  /// Throws Error(usage) naming an option that was given beside --judge, and `why` it has no
  /// effect.
  static void check_unused(const CLI::App& command, const std::string& why);

 private:
  std::optional<TokenPrices> prices(const std::string& model) const;
};

}  // namespace expo
