#pragma once

#include <cstddef>
#include <string>

#include "expo/engine/engine_spec.h"

namespace expo {

/// A server whose model is to be asked in chats, and how.
struct ChatServer {
  ServerKind kind = ServerKind::openai;
  std::string url;               ///< as ServerAddress reads it
  std::string key_variable;      ///< environment variable with the server's key; empty: no key
  std::string key_option;        ///< the option that names the variable, for messages
  std::size_t max_requests = 8;  ///< most in flight
  double answer_seconds = 600;   ///< longest wait for an answer
};

}  // namespace expo
