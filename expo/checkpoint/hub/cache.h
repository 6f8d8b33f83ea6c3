#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The environment variables that determine the folder of the Hugging Face cache, as
/// huggingface_hub reads them.
using Environment = std::map<std::string, std::string>;

/// Those of HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME that are set for
/// this process, and the variables that their values refer to ($USER). An unset HOME is taken from
/// the user's entry in the password database.
Environment hugging_face_environment();

/// The folder of the cache: HF_HUB_CACHE, or else HUGGINGFACE_HUB_CACHE (its former name), or else
/// hub/ in HF_HOME, or else huggingface/hub/ in XDG_CACHE_HOME or ~/.cache; `~` and `$NAME` are
/// expanded as in huggingface_hub. It need not exist.
std::filesystem::path hub_cache_folder(const Environment& environment);

/// Whether a text can be the id of a model on the Hub: `owner/name`, or `name` alone as for early
/// models.
bool is_hub_id(std::string_view text);

/// The id "owner/name" for the folder name "models--owner--name"; std::nullopt for other names.
std::optional<std::string> hub_id_of_repository(const std::string& folder_name);

/// A commit of a model in the cache, which may be incomplete.
struct HubSnapshot {
  std::string model_id;              ///< "owner/name"
  std::string revision;              ///< as requested ("main" by default), or else the commit
  std::string commit;                ///< the name of its folder
  std::filesystem::path repository;  ///< …/models--owner--name
  std::filesystem::path folder;      ///< …/models--owner--name/snapshots/COMMIT
};

/// Finds a revision (a branch, a tag, a commit, or the beginning of one; empty for main) of a model
/// in the cache, whose layout is REPOSITORY/refs/REVISION (a file with a commit) and
/// REPOSITORY/snapshots/COMMIT/. Throws Error(input) with the `hf download` command if it is
/// absent, and if several commits have that beginning.
HubSnapshot find_hub_snapshot(Filesystem& filesystem, const std::string& model_id,
                              const std::string& revision, const Environment& environment);

/// The snapshot in a folder, recognised by the layout of its path (links followed); std::nullopt
/// for any other folder.
std::optional<HubSnapshot> snapshot_at(Filesystem& filesystem, const std::filesystem::path& folder);

/// The command that downloads the snapshot: "hf download owner/name --revision …".
std::string download_command(const HubSnapshot& snapshot);

/// The SHA-256 of a file in a snapshot if its blob is named by it (LFS files), else std::nullopt.
/// Blobs that the cache shares between models are named by another hash; for them the name of the
/// model's own link to the shared blob is used.
std::optional<std::string> cached_sha256(Filesystem& filesystem, const std::filesystem::path& file);

}  // namespace expo
