#pragma once

#include <functional>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

/// Takes text piece by piece, so that none of it need be in memory as a whole.
using TextSink = std::function<void(std::string_view)>;

/// A JSON object that is written member by member. The caller ensures that keys are new.
class ObjectOutput {
 public:
  explicit ObjectOutput(const TextSink& sink) : sink_(sink) { sink_("{"); }

  void add(std::string_view key, const Json& value) {
    begin(key);
    sink_(compact_json(value));
  }
  /// Begins a member whose value the caller writes to the sink.
  void begin(std::string_view key) {
    if (!is_first_) sink_(",");
    is_first_ = false;
    sink_(compact_json(Json(key)));
    sink_(":");
  }
  void end() { sink_("}"); }

 private:
  const TextSink& sink_;
  bool is_first_ = true;
};

/// A JSON list that is written entry by entry.
class ListOutput {
 public:
  explicit ListOutput(const TextSink& sink) : sink_(sink) { sink_("["); }

  void add(const Json& value) {
    begin();
    sink_(compact_json(value));
  }
  /// Begins an entry that the caller writes to the sink.
  void begin() {
    if (!is_first_) sink_(",");
    is_first_ = false;
  }
  void end() { sink_("]"); }

 private:
  const TextSink& sink_;
  bool is_first_ = true;
};

}  // namespace expo
