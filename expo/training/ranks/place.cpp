#include <fmt/format.h>

#include <charconv>

#include "expo/core/error.h"
#include "expo/training/ranks/place.h"

namespace expo {
namespace {

constexpr int kFirstPort = 20000;  // lowest of the ports that a job's number selects

int number(const std::string& name, const std::string& text) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0)
    throw usage_error(
        fmt::format("the environment variable {} is \"{}\", but a number is expected", name, text));
  return value;
}

class Reader {
 public:
  explicit Reader(const EnvironmentLookup& environment) : environment_(environment) {}

  bool has(const std::string& name) const { return environment_(name).has_value(); }
  std::string text(const std::string& name, const char* beside) const {
    if (const auto value = environment_(name)) return *value;
    throw usage_error(
        fmt::format("the environment variable {} is set, but {} is not", beside, name));
  }
  int integer(const std::string& name, const char* beside) const {
    return number(name, text(name, beside));
  }

 private:
  const EnvironmentLookup& environment_;
};

RankPlace of_torchrun(const Reader& reader) {
  RankPlace place;
  place.rank = reader.integer("RANK", "WORLD_SIZE");
  place.size = reader.integer("WORLD_SIZE", "RANK");
  if (place.size == 1) return place;
  place.host = reader.text("MASTER_ADDR", "WORLD_SIZE");
  place.port = reader.integer("MASTER_PORT", "WORLD_SIZE");
  if (reader.has("LOCAL_RANK")) place.local_rank = reader.integer("LOCAL_RANK", "RANK");
  if (reader.has("LOCAL_WORLD_SIZE")) place.local_size = reader.integer("LOCAL_WORLD_SIZE", "RANK");
  place.agent_store = reader.has("TORCHELASTIC_USE_AGENT_STORE") &&
                      reader.text("TORCHELASTIC_USE_AGENT_STORE", "RANK") == "True";
  return place;
}

RankPlace of_slurm(const Reader& reader) {
  RankPlace place;
  place.rank = reader.integer("SLURM_PROCID", "SLURM_NTASKS");
  place.size = reader.integer("SLURM_NTASKS", "SLURM_PROCID");
  if (place.size == 1) return place;
  place.host = reader.has("MASTER_ADDR")
                   ? reader.text("MASTER_ADDR", "")
                   : first_host(reader.text("SLURM_STEP_NODELIST", "SLURM_PROCID"));
  if (reader.has("SLURM_LOCALID")) place.local_rank = reader.integer("SLURM_LOCALID", "");
  const int job = reader.integer("SLURM_JOB_ID", "SLURM_PROCID");
  const int step = reader.has("SLURM_STEP_ID") ? reader.integer("SLURM_STEP_ID", "") : 0;
  place.port = reader.has("MASTER_PORT") ? reader.integer("MASTER_PORT", "")
                                         : kFirstPort + (job + step) % kFirstPort;
  place.run = fmt::format("expo-{}-{}", job, step);
  return place;
}

}  // namespace

std::string first_host(const std::string& node_list) {
  const auto bracket = node_list.find('[');
  const auto comma = node_list.find(',');
  if (bracket == std::string::npos || comma < bracket) return node_list.substr(0, comma);
  const auto end = node_list.find_first_of("-,]", bracket);
  return node_list.substr(0, bracket) + node_list.substr(bracket + 1, end - bracket - 1);
}

RankPlace find_rank_place(const EnvironmentLookup& environment) {
  const Reader reader(environment);
  RankPlace place;
  if (reader.has("WORLD_SIZE") || reader.has("RANK")) {
    place = of_torchrun(reader);
  } else if (reader.has("SLURM_PROCID") && reader.has("SLURM_STEP_NODELIST")) {
    place = of_slurm(reader);
  }
  if (place.size < 1 || place.rank >= place.size) {
    throw usage_error(
        fmt::format("the environment says that this is rank {} of {}, which is not possible",
                    place.rank, place.size));
  }
  if (place.size > 1 && (place.port < 1 || place.port > 65535))
    throw usage_error(fmt::format(
        "the environment variable MASTER_PORT is {}, which is not a valid port", place.port));
  return place;
}

}  // namespace expo
