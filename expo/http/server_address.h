#pragma once

#include <string>
#include <string_view>

namespace expo {

/// Where a server listens.
class ServerAddress {
 public:
  /// Reads "http://HOST[:PORT][/PATH]" or the same with https. A final "/v1", which every path
  /// begins with anyway, is left out. Throws Error(usage) beginning with `where` for anything else,
  /// above all for a password in the URL, which process lists and logs would show.
  ServerAddress(std::string_view url, std::string_view where);

  /// The address without a final slash.
  const std::string& text() const { return text_; }
  /// The whole URL of a path that begins with a slash.
  std::string url(std::string_view path) const { return text_ + std::string(path); }
  bool is_encrypted() const { return encrypted_; }
  /// Whether what is sent there stays on this machine: localhost, 127.0.0.0/8 or ::1.
  bool is_loopback() const { return loopback_; }

 private:
  std::string text_;
  bool encrypted_ = false;
  bool loopback_ = false;
};

}  // namespace expo
