#include "support/hub_cache_folder.h"

namespace expo {
namespace {

std::string folder_name(const std::string& model_id) {
  std::string name = "models--";
  for (const char c : model_id) name += c == '/' ? std::string("--") : std::string(1, c);
  return name;
}

}  // namespace

std::filesystem::path HubCacheFolder::repository(const std::string& model_id) const {
  return folder_.path() / folder_name(model_id);
}

std::filesystem::path HubCacheFolder::snapshot(const std::string& model_id,
                                               const std::string& commit) const {
  return repository(model_id) / "snapshots" / commit;
}

void HubCacheFolder::write(const std::string& model_id, const std::string& name,
                           const std::string& text) const {
  folder_.write(folder_name(model_id) + "/" + name, text);
}

void HubCacheFolder::link(const std::string& model_id, const std::string& commit,
                          const std::string& name, const std::string& blob) const {
  const std::filesystem::path file = snapshot(model_id, commit) / name;
  std::filesystem::create_directories(file.parent_path());
  std::filesystem::create_symlink(std::filesystem::path("../../blobs") / blob, file);
}

void HubCacheFolder::add(const std::string& model_id, const std::string& commit,
                         const std::string& name, const std::string& bytes,
                         const std::string& blob) const {
  write(model_id, "blobs/" + blob, bytes);
  link(model_id, commit, name, blob);
}

void HubCacheFolder::add_shared(const std::string& model_id, const std::string& commit,
                                const std::string& name, const std::string& bytes,
                                const std::string& blob, const std::string& hash) const {
  const std::string shared = "blobs/" + hash.substr(0, 2) + "/" + hash;
  folder_.write(shared, bytes);
  const std::filesystem::path own = repository(model_id) / "blobs" / blob;
  std::filesystem::create_directories(own.parent_path());
  std::filesystem::create_symlink(std::filesystem::path("../..") / shared, own);
  link(model_id, commit, name, blob);
}

void HubCacheFolder::set_ref(const std::string& model_id, const std::string& revision,
                             const std::string& commit) const {
  write(model_id, "refs/" + revision, commit);
}

}  // namespace expo
