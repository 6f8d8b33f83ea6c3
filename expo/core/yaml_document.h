#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace expo {

/// A value of a YAML document, with the line in which it begins.
struct YamlValue {
  /// The kind of a value.
  enum class Kind { null, scalar, sequence, mapping };
  using Pointer = std::shared_ptr<const YamlValue>;
  /// A key of a mapping and its value.
  struct Member {
    std::string key;
    int line = 0;  ///< line of the key
    Pointer value;
  };

  Kind kind = Kind::null;
  int line = 0;        ///< from 1
  std::string scalar;  ///< the text, without quotes
  std::vector<Pointer> items;
  std::vector<Member> members;  ///< in the document's order; keys are unique

  /// The member of that name, or nullptr.
  const Member* find(std::string_view key) const;
};

/// Parses hostile text: one YAML document, in which an alias shares its anchor's value. Throws
/// Error(usage) that names `where` and the line for text over 1 MB, nesting beyond 64 levels,
/// aliases that would exceed 1 MB when written out, aliases inside their own anchor, keys that are
/// not scalars or occur twice, tags, merge keys (`<<`) and further documents.
YamlValue::Pointer parse_yaml(const std::string& text, const std::string& where);

}  // namespace expo
