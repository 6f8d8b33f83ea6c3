#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

std::string_view rounding_name(RoundingChoice choice) noexcept {
  switch (choice) {
    case RoundingChoice::automatic:
      return "auto";
    case RoundingChoice::nearest:
      return "nearest";
    case RoundingChoice::stochastic:
      return "stochastic";
    case RoundingChoice::like_original:
      return "like-original";
  }
  return "";
}

std::string_view rounding_name(Rounding rounding) noexcept {
  switch (rounding) {
    case Rounding::nearest:
      return rounding_name(RoundingChoice::nearest);
    case Rounding::stochastic:
      return rounding_name(RoundingChoice::stochastic);
    case Rounding::like_original:
      return rounding_name(RoundingChoice::like_original);
  }
  return "";
}

std::optional<RoundingChoice> rounding_choice_from_user(std::string_view word) noexcept {
  for (const RoundingChoice choice :
       {RoundingChoice::automatic, RoundingChoice::nearest, RoundingChoice::stochastic}) {
    if (word == rounding_name(choice)) return choice;
  }
  return std::nullopt;
}

}  // namespace expo
