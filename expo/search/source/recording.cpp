#include "expo/search/source/recording.h"

#include <fmt/format.h>

#include <cmath>

#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

constexpr const char* kFormat = "expo-scores-1";
constexpr std::size_t kMostCandidates = 4096;
constexpr std::size_t kMostSamples = 4096;

const Json& member(const Json& object, const char* key, const std::string& place) {
  if (!object.is_object() || !object.contains(key)) {
    throw input_error(
        fmt::format("{}: expected an object with \"{}\"; see the format of recordings "
                    "in the documentation of the search",
                    place, key));
  }
  return object.at(key);
}

std::size_t count(const Json& object, const char* key, std::size_t below,
                  const std::string& place) {
  const Json& value = member(object, key, place);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= below) {
    throw input_error(fmt::format("{}: \"{}\" is {}; expected a whole number below {}", place, key,
                                  compact_json(value), below));
  }
  return value.get<std::size_t>();
}

double finite(const Json& value, const char* key, const std::string& place) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    throw input_error(
        fmt::format("{}: \"{}\" is {}; expected a number", place, key, compact_json(value)));
  }
  return value.get<double>();
}

Ending ending_of(const Json& value, const std::string& place) {
  if (value == "stop") return Ending::stop;
  if (value == "length") return Ending::length;
  throw input_error(fmt::format("{}: \"ending\" is {}; expected \"stop\" or \"length\"", place,
                                compact_json(value)));
}

std::string read_all(Filesystem& filesystem, const std::filesystem::path& path) {
  const auto file = filesystem.open(path, Caching::buffered);
  AlignedBuffer scratch;
  const auto bytes = file->read(0, static_cast<std::size_t>(file->size()), scratch);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<Candidate> candidates_of(const Json& header, const std::string& place) {
  std::vector<Candidate> candidates;
  for (const Json& each : member(header, "candidates", place)) {
    const double alpha = finite(member(each, "alpha", place), "alpha", place);
    const std::string label = each.contains("label") && each.at("label").is_string()
                                  ? each.at("label").get<std::string>()
                                  : label_of(alpha);
    const bool has_family = each.contains("family");
    candidates.push_back(
        {alpha, label, has_family ? count(each, "family", kMostCandidates, place) : 0});
  }
  if (candidates.empty() || candidates.size() > kMostCandidates) {
    throw input_error(fmt::format("{}: found {} candidates; expected 1 to {}", place,
                                  candidates.size(), kMostCandidates));
  }
  return candidates;
}

std::vector<std::string> prompts_of(const Json& header, const std::string& place) {
  std::vector<std::string> prompts;
  for (const Json& each : member(header, "prompts", place)) {
    if (!each.is_string()) {
      throw input_error(
          fmt::format("{}: a prompt is {}; expected a name", place, compact_json(each)));
    }
    prompts.push_back(each.get<std::string>());
  }
  if (prompts.empty()) throw input_error(place + ": found no prompt; expected at least one");
  return prompts;
}

Recording empty_recording(const Json& header, const std::string& place) {
  if (member(header, "format", place) != kFormat) {
    throw input_error(fmt::format("{}: \"format\" is {}; expected \"{}\"", place,
                                  compact_json(header.at("format")), kFormat));
  }
  const std::size_t samples = count(header, "samples", kMostSamples, place);
  if (samples == 0) throw input_error(place + ": \"samples\" is 0; expected at least 1");
  return {candidates_of(header, place), prompts_of(header, place),
          static_cast<std::uint32_t>(samples)};
}

}  // namespace

/// Fills a recording line by line.
class RecordingReader {
 public:
  explicit RecordingReader(Recording& recording)
      : recording_(recording), seen_(recording.candidates_.size() * recording.prompts_.size()) {}

  void add(const Json& line, const std::string& place) {
    const std::size_t candidate = count(line, "candidate", recording_.candidates_.size(), place);
    const std::size_t prompt = count(line, "prompt", recording_.prompts_.size(), place);
    const std::size_t cell = prompt * recording_.candidates_.size() + candidate;
    if (seen_[cell]) {
      throw input_error(fmt::format("{}: candidate {} and prompt {} stand in the file twice", place,
                                    candidate, prompt));
    }
    seen_[cell] = true;
    for (std::uint32_t sample = 0; sample < recording_.samples_; ++sample) {
      recording_.set({candidate, prompt, sample}, score_at(line, sample, place));
    }
  }

  void check_complete(const std::string& file) const {
    for (std::size_t cell = 0; cell < seen_.size(); ++cell) {
      if (seen_[cell]) continue;
      throw input_error(fmt::format(
          "{}: candidate {} has no scores for prompt {}; expected a complete recording", file,
          cell % recording_.candidates_.size(), cell / recording_.candidates_.size()));
    }
  }

 private:
  const Json& sample_of(const Json& line, const char* key, std::size_t sample,
                        const std::string& place) const {
    const Json& values = member(line, key, place);
    if (!values.is_array() || values.size() != recording_.samples_) {
      throw input_error(fmt::format("{}: \"{}\" is {}; expected a list of {}", place, key,
                                    compact_json(values), recording_.samples_));
    }
    return values.at(sample);
  }

  Score score_at(const Json& line, std::size_t sample, const std::string& place) const {
    Score result;
    result.score = finite(sample_of(line, "score", sample, place), "score", place);
    result.length = finite(sample_of(line, "length", sample, place), "length", place);
    const double tokens = finite(sample_of(line, "tokens", sample, place), "tokens", place);
    if (tokens < 0 || tokens > 1e9) {
      throw input_error(fmt::format("{}: \"tokens\" is {}; expected 0 to 10⁹", place, tokens));
    }
    result.tokens = static_cast<std::uint64_t>(tokens);
    result.ending = ending_of(sample_of(line, "ending", sample, place), place);
    return result;
  }

  Recording& recording_;
  std::vector<bool> seen_;
};

Recording::Recording(std::vector<Candidate> candidates, std::vector<std::string> prompts,
                     std::uint32_t samples)
    : candidates_(std::move(candidates)),
      prompts_(std::move(prompts)),
      samples_(samples),
      answers_(candidates_.size() * prompts_.size() * samples_) {}

Recording Recording::read(Filesystem& filesystem, const std::filesystem::path& path) {
  const std::string text = read_all(filesystem, path);
  std::string_view rest = text;
  std::size_t number = 0;
  std::optional<Recording> recording;
  std::optional<RecordingReader> reader;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::string place = fmt::format("{}:{}", path.string(), ++number);
    const Json value = parse_json(line, place);
    if (reader) {
      reader->add(value, place);
    } else {
      recording.emplace(empty_recording(value, place));
      reader.emplace(*recording);
    }
  }
  if (!reader) throw input_error(path.string() + ": the file is empty; expected a recording");
  reader->check_complete(path.string());
  return std::move(*recording);
}

std::size_t Recording::index(const ScoreRequest& request) const {
  if (request.candidate >= candidates_.size() || request.prompt >= prompts_.size() ||
      request.sample >= samples_) {
    throw usage_error("a recording was asked for a score that it does not have");
  }
  return (request.prompt * candidates_.size() + request.candidate) * samples_ + request.sample;
}

std::optional<std::size_t> Recording::candidate_at(double alpha, std::size_t like) {
  return find_candidate(candidates_, alpha, candidates_.at(like).family);
}

std::vector<Score> Recording::scores(std::span<const ScoreRequest> requests) {
  std::vector<Score> result;
  result.reserve(requests.size());
  for (const ScoreRequest& request : requests) result.push_back(answers_[index(request)]);
  return result;
}

std::string Recording::text(std::string_view facts) const {
  Json header = {{"format", kFormat}, {"samples", samples_}, {"prompts", prompts_}};
  header["candidates"] = Json::array();
  for (const Candidate& each : candidates_) {
    header["candidates"].push_back(
        {{"alpha", each.alpha}, {"label", each.label}, {"family", each.family}});
  }
  header.update(parse_json(facts, "facts of a recording"));
  std::string result = compact_json(header) + "\n";
  for (std::size_t prompt = 0; prompt < prompts_.size(); ++prompt) {
    for (std::size_t candidate = 0; candidate < candidates_.size(); ++candidate) {
      Json line = {{"candidate", candidate}, {"prompt", prompt}};
      for (std::uint32_t sample = 0; sample < samples_; ++sample) {
        const Score& score = answers_[index({candidate, prompt, sample})];
        line["score"].push_back(score.score);
        line["length"].push_back(score.length);
        line["tokens"].push_back(score.tokens);
        line["ending"].push_back(score.ending == Ending::stop ? "stop" : "length");
      }
      result += compact_json(line) + "\n";
    }
  }
  return result;
}

}  // namespace expo
