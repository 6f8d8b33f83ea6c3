#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "expo/checkpoint/folder/links.h"
#include "expo/checkpoint/folder/weight_index.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

class IndexReader {
 public:
  IndexReader(Filesystem& filesystem, Path index)
      : filesystem_(filesystem),
        index_(std::move(index)),
        folder_(index_.has_parent_path() ? index_.parent_path() : Path(".")),
        where_(index_.string()) {}

  WeightFiles read() {
    const Json root = parse_json(filesystem_.read_text(index_), where_);
    if (!root.is_object()) fail("it is not a JSON object");
    const auto map = root.find("weight_map");
    if (map == root.end() || !map->is_object()) fail("\"weight_map\" is missing or not an object");
    if (map->empty()) fail("\"weight_map\" is empty");
    WeightFiles result;
    result.index = index_;
    result.total_size = total_size(root);
    add_files(*map, result);
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw input_error(where_ + ": " + what + "; the index is damaged, or this is not an index");
  }

  /// Early versions of transformers wrote total_size as a floating-point number.
  std::optional<std::uint64_t> total_size(const Json& root) const {
    const auto metadata = root.find("metadata");
    if (metadata == root.end() || metadata->is_null()) return std::nullopt;
    if (!metadata->is_object()) fail("\"metadata\" is not an object");
    const auto size = metadata->find("total_size");
    if (size == metadata->end()) return std::nullopt;
    if (size->is_number_unsigned()) return size->get<std::uint64_t>();
    if (size->is_number_float() && size->get<double>() >= 0 && size->get<double>() < 9e15) {
      return static_cast<std::uint64_t>(size->get<double>());
    }
    fail(fmt::format("\"total_size\" is {}, but a number of bytes is expected", size->dump()));
  }

  void add_files(const Json& map, WeightFiles& result) {
    std::set<std::string> names;
    for (const auto& [tensor, file] : map.items()) {
      if (!file.is_string())
        fail(fmt::format("the file of the tensor \"{}\" is not a string", tensor));
      names.insert(file.get<std::string>());
      check_name(tensor, file.get_ref<const std::string&>());
    }
    std::map<std::string, std::size_t> numbers;
    for (const std::string& name : names) {
      numbers[name] = result.files.size();
      result.files.push_back(shard(name, map));
    }
    check_links(result.files);
    for (const auto& [tensor, file] : map.items()) {
      result.weight_map[tensor] = numbers.at(file.get_ref<const std::string&>());
    }
  }

  void check_name(const std::string& tensor, const std::string& file) const {
    const bool plain = !file.empty() && file != "." && file != ".." &&
                       file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (!plain) {
      fail(
          fmt::format("the tensor \"{}\" is assigned to {}, which is not the name of a file in "
                      "the same folder",
                      tensor, Json(file).dump(-1, ' ', true, Json::error_handler_t::replace)));
    }
  }

  Path shard(const std::string& name, const Json& map) {
    const Path path = folder_ / name;
    if (!filesystem_.status(path)) {
      const auto user =
          std::ranges::find_if(map.items(), [&](const auto& item) { return item.value() == name; });
      throw input_error(
          fmt::format("{}: the shard {} (of the tensor \"{}\" and others) is missing; the download "
                      "is incomplete",
                      where_, name, user.key()));
    }
    return path;
  }

  void check_links(const std::vector<Path>& shards) const {
    const LinkScope scope(filesystem_, folder_, index_, shards);
    for (const Path& shard : shards) {
      const auto outside = scope.way_out(shard);
      if (!outside) continue;
      throw input_error(fmt::format(
          "{}: the shard {} is a link that leads out of the folder, to {}; links are followed only "
          "if the index, or all shards, lead to one folder; replace it by a copy",
          where_, shard.filename().string(), outside->string()));
    }
  }

  Filesystem& filesystem_;
  Path index_;
  Path folder_;
  std::string where_;
};

}  // namespace

WeightFiles read_weight_index(Filesystem& filesystem, const Path& index) {
  return IndexReader(filesystem, index).read();
}

}  // namespace expo
