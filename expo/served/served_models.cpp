#include "expo/served/served_models.h"

#include <fmt/format.h>

#include <vector>

#include "expo/core/error.h"
#include "expo/http/server_words.h"
#include "expo/served/answer_fields.h"

namespace expo {
namespace {

constexpr std::size_t kMostNames = 5;

std::string names_of(const std::vector<ServedModel>& models) {
  std::string names;
  for (std::size_t i = 0; i < models.size() && i < kMostNames; ++i)
    names += (i == 0 ? "" : ", ") + cut_words(models[i].id);
  return models.size() <= kMostNames
             ? names
             : names + fmt::format(" and {} more", models.size() - kMostNames);
}

std::vector<ServedModel> listed_models(const Json& answer, const std::string& where) {
  const Json& list = member(answer, "data", where);
  std::vector<ServedModel> models;
  for (const Json& each : list.is_array() ? list : Json::array()) {
    ServedModel model;
    model.id = name_member(each, "id", where);
    if (each.contains("root") && each.at("root").is_string())
      model.root = name_member(each, "root", where);
    if (each.contains("max_model_len") && each.at("max_model_len").is_number_unsigned())
      model.context = each.at("max_model_len").get<std::size_t>();
    models.push_back(std::move(model));
  }
  return models;
}

}  // namespace

ServedModel find_served_model(const ServerFacts& facts, const std::string& name) {
  const std::string where = facts.address.url("/v1/models");
  const HttpAnswer answer = facts.ask("/v1/models");
  if (answer.status == 404 && !name.empty()) {
    ServedModel believed;
    believed.id = name;
    return believed;
  }
  if (answer.failure) throw *answer.failure;
  const std::vector<ServedModel> models = listed_models(answer.json, where);
  if (name.empty() && models.size() == 1) return models.front();
  if (name.empty()) {
    throw input_error(fmt::format("{}: the server has {} models ({}); name one: KIND=URL#NAME",
                                  where, models.size(), names_of(models)));
  }
  for (const ServedModel& model : models) {
    if (model.id == name || model.root == name) return model;
  }
  throw input_error(fmt::format("{}: the server does not have {}, but {}", where, name,
                                models.empty() ? "no model" : names_of(models)));
}

}  // namespace expo
