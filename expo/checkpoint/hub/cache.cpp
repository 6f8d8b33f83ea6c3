#include "expo/checkpoint/hub/cache.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

constexpr std::string_view kRepositoryPrefix = "models--";
constexpr std::size_t kShortestCommit = 4;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/// Whether the text is one of the two parts of an id: letters, digits, '_', '-' and '.', the last
/// two not at its ends.
bool is_id_part(std::string_view part) {
  return !part.empty() && part.size() <= 96 && is_word(part.front()) && is_word(part.back()) &&
         std::ranges::all_of(part, [](char c) { return is_word(c) || c == '-' || c == '.'; });
}

/// Whether the text can be a folder's name: a ref or a user's revision must not lead anywhere else.
bool is_safe_commit(std::string_view name) {
  return !name.empty() && name.size() <= 128 &&
         std::ranges::all_of(name, [](char c) { return is_word(c) || c == '-'; });
}

/// Whether the text is a relative path without "..", such as "main", "v1.0" or "refs/pr/3".
bool is_safe_revision(std::string_view revision) {
  if (revision.empty() || revision.size() > 255) return false;
  const Path path(revision);
  return path.is_relative() && revision.find('\0') == std::string_view::npos &&
         std::ranges::none_of(path, [](const Path& part) { return part == ".." || part == "."; });
}

std::string repository_name(const std::string& model_id) {
  const std::size_t slash = model_id.find('/');
  const std::string prefix(kRepositoryPrefix);
  if (slash == std::string::npos) return prefix + model_id;
  return prefix + model_id.substr(0, slash) + "--" + model_id.substr(slash + 1);
}

/// The commit in a ref's file; std::nullopt if there is no such ref.
std::optional<std::string> read_ref(Filesystem& filesystem, const Path& repository,
                                    const std::string& revision) {
  const Path file = repository / "refs" / revision;
  const auto status = filesystem.status(file);
  if (!status || status->is_directory) return std::nullopt;
  std::string commit = filesystem.read_text(file, 4096);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r')) commit.pop_back();
  if (!is_safe_commit(commit)) {
    throw input_error(file.string() + ": does not hold a commit; the cache is damaged");
  }
  return commit;
}

std::vector<std::string> list_if_there(Filesystem& filesystem, const Path& folder) {
  return filesystem.is_directory(folder) ? filesystem.list(folder) : std::vector<std::string>{};
}

/// The commits in the cache that begin with the requested text.
std::vector<std::string> matching_commits(Filesystem& filesystem, const Path& repository,
                                          const std::string& revision) {
  std::vector<std::string> commits = list_if_there(filesystem, repository / "snapshots");
  const bool abbreviated =
      revision.size() >= kShortestCommit && std::ranges::all_of(revision, is_lower_hex);
  std::erase_if(commits, [&](const std::string& commit) {
    return commit != revision && !(abbreviated && commit.starts_with(revision));
  });
  if (std::ranges::find(commits, revision) != commits.end()) return {revision};
  return commits;
}

std::string resolve_commit(Filesystem& filesystem, const HubSnapshot& wanted) {
  if (!is_safe_revision(wanted.revision)) {
    throw input_error(fmt::format("{}@{}: \"{}\" cannot be a revision", wanted.model_id,
                                  wanted.revision, wanted.revision));
  }
  if (const auto commit = read_ref(filesystem, wanted.repository, wanted.revision)) return *commit;
  const auto commits = matching_commits(filesystem, wanted.repository, wanted.revision);
  if (commits.size() > 1) {
    throw input_error(
        fmt::format("{}@{}: several commits in the cache begin like this ({}); write more digits",
                    wanted.model_id, wanted.revision, fmt::join(commits, ", ")));
  }
  return commits.empty() ? std::string() : commits.front();
}

/// Lists what the cache has of the model, for the message that something else is missing.
std::string present_revisions(Filesystem& filesystem, const Path& repository) {
  std::vector<std::string> names = list_if_there(filesystem, repository / "snapshots");
  if (names.empty()) return "";
  if (names.size() > 5) names.resize(5);
  return fmt::format(" (it has {}; choose one with {}@COMMIT)", fmt::join(names, ", "),
                     hub_id_of_repository(repository.filename().string()).value_or("ID"));
}

std::string value_or(const Environment& environment, const std::string& name,
                     const std::string& other) {
  const auto found = environment.find(name);
  return found == environment.end() ? other : found->second;
}

/// Expands a leading `~` to the home folder; that of another user stays as it is.
std::string expand_home(const std::string& text, const Environment& environment) {
  if (text != "~" && !text.starts_with("~/")) return text;
  const auto home = environment.find("HOME");
  return home == environment.end() ? text : home->second + text.substr(1);
}

/// Calls visit(begin, end, name) for every $NAME and ${NAME} in a text, in order.
template <typename Visit>
void for_each_variable(const std::string& text, const Visit& visit) {
  std::size_t at = 0;
  while ((at = text.find('$', at)) != std::string::npos) {
    const bool braced = at + 1 < text.size() && text[at + 1] == '{';
    const std::size_t first = at + (braced ? 2 : 1);
    std::size_t last = first;
    while (last < text.size() && (braced ? text[last] != '}' : is_word(text[last]))) ++last;
    const std::size_t end = braced && last < text.size() ? last + 1 : last;
    const bool complete = last > first && (!braced || last < text.size());
    if (complete) visit(at, end, text.substr(first, last - first));
    at = complete ? end : at + 1;
  }
}

std::string expand_variables(const std::string& text, const Environment& environment) {
  std::string result;
  std::size_t copied = 0;
  for_each_variable(text, [&](std::size_t begin, std::size_t end, const std::string& name) {
    const auto found = environment.find(name);
    if (found == environment.end()) return;
    result += text.substr(copied, begin - copied) + found->second;
    copied = end;
  });
  return result + text.substr(copied);
}

std::string expand(const std::string& text, const Environment& environment) {
  return expand_variables(expand_home(text, environment), environment);
}

bool is_sha256(std::string_view name) {
  return name.size() == 64 && std::ranges::all_of(name, is_lower_hex);
}

}  // namespace

Environment hugging_face_environment() {
  Environment result;
  const auto add = [&result](const std::string& name) {
    if (const char* value = std::getenv(name.c_str())) result[name] = value;
  };
  for (const char* name :
       {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
    add(name);
  }
  if (!result.contains("HOME")) {
    if (const passwd* user = ::getpwuid(::getuid())) result["HOME"] = user->pw_dir;
  }
  const Environment direct = result;
  for (const auto& [name, value] : direct) {
    for_each_variable(value, [&](std::size_t, std::size_t, const std::string& used) { add(used); });
  }
  return result;
}

Path hub_cache_folder(const Environment& environment) {
  const Path user_cache =
      value_or(environment, "XDG_CACHE_HOME", expand_home("~/.cache", environment));
  const Path home =
      expand(value_or(environment, "HF_HOME", user_cache / "huggingface"), environment);
  const std::string former = value_or(environment, "HUGGINGFACE_HUB_CACHE", home / "hub");
  return expand(value_or(environment, "HF_HUB_CACHE", former), environment);
}

bool is_hub_id(std::string_view text) {
  if (text.find("--") != text.npos || text.find("..") != text.npos || text.ends_with(".git")) {
    return false;
  }
  const std::size_t slash = text.find('/');
  if (slash == text.npos) return is_id_part(text);
  return is_id_part(text.substr(0, slash)) && is_id_part(text.substr(slash + 1));
}

std::optional<std::string> hub_id_of_repository(const std::string& folder_name) {
  if (!folder_name.starts_with(kRepositoryPrefix)) return std::nullopt;
  const std::string name = folder_name.substr(kRepositoryPrefix.size());
  const std::size_t separator = name.find("--");
  std::string id = name.substr(0, separator);
  if (separator != std::string::npos) id += "/" + name.substr(separator + 2);
  if (!is_hub_id(id)) return std::nullopt;
  return id;
}

std::string download_command(const HubSnapshot& snapshot) {
  std::string command = "hf download " + snapshot.model_id;
  if (snapshot.revision != "main") command += " --revision " + snapshot.revision;
  return command;
}

HubSnapshot find_hub_snapshot(Filesystem& filesystem, const std::string& model_id,
                              const std::string& revision, const Environment& environment) {
  const Path cache = hub_cache_folder(environment);
  HubSnapshot result;
  result.model_id = model_id;
  result.revision = revision.empty() ? "main" : revision;
  result.repository = cache / repository_name(model_id);
  result.commit = resolve_commit(filesystem, result);
  result.folder = result.repository / "snapshots" / result.commit;
  if (result.commit.empty() || !filesystem.is_directory(result.folder)) {
    throw input_error(
        fmt::format("{}: there is no such file or folder, and the Hugging Face cache {} does not "
                    "hold {}{}; get "
                    "it with `{}`",
                    revision.empty() ? model_id : model_id + "@" + revision, cache.string(),
                    revision.empty() ? "such a model" : "that revision",
                    present_revisions(filesystem, result.repository), download_command(result)));
  }
  return result;
}

std::optional<HubSnapshot> snapshot_at(Filesystem& filesystem, const Path& folder) {
  const Path real = filesystem.canonical(folder);
  if (real.parent_path().filename() != "snapshots") return std::nullopt;
  HubSnapshot result;
  result.repository = real.parent_path().parent_path();
  const auto model_id = hub_id_of_repository(result.repository.filename().string());
  if (!model_id) return std::nullopt;
  result.model_id = *model_id;
  result.commit = result.revision = real.filename().string();
  result.folder = folder;
  return result;
}

std::optional<std::string> cached_sha256(Filesystem& filesystem, const Path& file) {
  const Path folder = file.has_parent_path() ? file.parent_path() : Path(".");
  const auto snapshot = snapshot_at(filesystem, folder);
  if (!snapshot) return std::nullopt;
  const Path blobs = filesystem.canonical(snapshot->repository / "blobs");
  const Path blob = filesystem.canonical(file);
  if (blob.parent_path() == blobs) {
    const std::string name = blob.filename().string();
    return is_sha256(name) ? std::optional(name) : std::nullopt;
  }
  for (const std::string& name : list_if_there(filesystem, blobs)) {
    if (is_sha256(name) && filesystem.canonical(blobs / name) == blob) return name;
  }
  return std::nullopt;
}

}  // namespace expo
