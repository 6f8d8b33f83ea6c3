#include "expo/extrapolation/write/run_journal.h"

#include <bit>

#include "expo/core/error.h"

namespace expo {
namespace {

/// Doubles are stored as their bits, so that a resumed run reports exactly what an uninterrupted
/// one does.
Json to_json(const DeltaSums& sums) {
  Json list = Json::array(
      {sums.elements, sums.changed, sums.lost, sums.nonfinite_inputs, sums.nonfinite_created});
  for (const double value : {sums.theta_squared, sums.sft_squared, sums.theta_dot_sft,
                             sums.delta_squared, sums.applied_dot_delta}) {
    list.push_back(std::bit_cast<std::uint64_t>(value));
  }
  return list;
}

DeltaSums from_json(const Json& list) {
  const auto number = [&](std::size_t i) { return list.at(i).get<std::uint64_t>(); };
  const auto real = [&](std::size_t i) { return std::bit_cast<double>(number(i)); };
  DeltaSums sums;
  sums.elements = number(0);
  sums.changed = number(1);
  sums.lost = number(2);
  sums.nonfinite_inputs = number(3);
  sums.nonfinite_created = number(4);
  sums.theta_squared = real(5);
  sums.sft_squared = real(6);
  sums.theta_dot_sft = real(7);
  sums.delta_squared = real(8);
  sums.applied_dot_delta = real(9);
  return sums;
}

}  // namespace

RunJournal::RunJournal(Filesystem& filesystem, std::filesystem::path folder,
                       const Json& fingerprint)
    : filesystem_(filesystem),
      folder_(std::move(folder)),
      // The fingerprint takes the form in which it will be read again.
      fingerprint_(Json::parse(compact_json(fingerprint))) {}

std::filesystem::path RunJournal::path() const {
  return folder_ / ".expo-journal.json";
}

bool RunJournal::load() {
  if (!filesystem_.exists(path())) return false;
  try {
    const Json root = parse_json(filesystem_.read_text(path()), path().string());
    if (root.at("fingerprint") != fingerprint_) return false;
    for (const auto& [file, tensors] : root.at("files").items()) {
      for (const Json& tensor : tensors) {
        files_[file][tensor.at(0).get<std::size_t>()] = from_json(tensor.at(1));
      }
    }
  } catch (const Json::exception&) {
    files_.clear();  // a journal that cannot be read counts as none
    return false;
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::input) throw;
    return false;
  }
  return true;
}

const std::map<std::size_t, DeltaSums>* RunJournal::finished(const std::string& file) const {
  const auto found = files_.find(file);
  return found == files_.end() ? nullptr : &found->second;
}

void RunJournal::record(const std::string& file, std::map<std::size_t, DeltaSums> sums) {
  const std::lock_guard lock(mutex_);
  files_[file] = std::move(sums);
  Json root = {{"fingerprint", fingerprint_}, {"files", Json::object()}};
  for (const auto& [name, tensors] : files_) {
    Json& list = root["files"][name] = Json::array();
    for (const auto& [tensor, values] : tensors)
      list.push_back(Json::array({tensor, to_json(values)}));
  }
  filesystem_.replace_text(path(), folder_ / ".expo-journal.new", compact_json(root));
}

}  // namespace expo
