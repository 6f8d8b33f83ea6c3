#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/evaluation/judge/answer_pairs.h"

namespace expo {

/// The column in which expo's annotations name the request that a preference comes from.
inline constexpr const char* kRequestColumn = "request_sha256";

/// A preference that a judge has given before.
struct KnownAnnotation {
  double preference = 0;
  Json details = {};  ///< the row's other columns whose names begin with "preference_"
  std::string place = {};
};

/// Annotations of an earlier run, expo's or alpaca_eval's, that need not be asked for again. expo's
/// rows name the request that they come from, as "request_sha256" (request_key()); alpaca_eval's
/// name none.
class KnownAnnotations {
 public:
  KnownAnnotations() = default;
  KnownAnnotations(Filesystem& filesystem, const std::filesystem::path& path,
                   const std::string& judge) {
    read(filesystem, path, judge);
  }
  /// Reads annotations in AlpacaEval's format (evaluation/annotations.h), or its cache of them. Of
  /// other judges than `judge`, or without an "annotator", rows are left out; so are those that the
  /// judge failed on (null, NaN or −1), which are asked again. Throws Error(input) that names the
  /// row if one is malformed or gives another preference than a row before that is about the same
  /// answers and names the same request, or names none either.
  void read(Filesystem& filesystem, const std::filesystem::path& path, const std::string& judge);

  /// That of the same instruction with the same two answers that comes from this request; for an
  /// empty `request`, the one that names none. nullptr if there is none. Valid as long as this
  /// object.
  const KnownAnnotation* find(const AnswerPair& pair, const std::string& request = {}) const;

  std::uint64_t failed() const { return failed_; }              ///< rows that the judge failed on
  std::uint64_t other_judges() const { return other_judges_; }  ///< rows that another judge wrote

 private:
  void add(const Json& row, const std::string& place, const std::string& judge);

  std::unordered_map<std::string, KnownAnnotation> known_;
  std::uint64_t failed_ = 0;
  std::uint64_t other_judges_ = 0;
};

}  // namespace expo
