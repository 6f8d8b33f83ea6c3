#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// How a person wants values to be rounded; decide_rounding() makes a Rounding of it.
enum class RoundingChoice {
  /// To nearest where that keeps α (keeps_alpha()), stochastically where it does not.
  automatic,
  nearest,
  stochastic,
  like_original,
};

/// "auto", "nearest", "stochastic" or "like-original".
std::string_view rounding_name(RoundingChoice choice) noexcept;
std::string_view rounding_name(Rounding rounding) noexcept;

/// The choice that "auto", "nearest" or "stochastic" names; nothing for other words.
std::optional<RoundingChoice> rounding_choice_from_user(std::string_view word) noexcept;

}  // namespace expo
