#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// How the user wants values to be rounded; decide_rounding() turns it into a Rounding.
enum class RoundingChoice {
  /// Rounds to nearest if that keeps α (keeps_alpha()), else stochastically.
  automatic,
  nearest,
  stochastic,
  like_original,
};

/// Returns "auto", "nearest", "stochastic" or "like-original".
std::string_view rounding_name(RoundingChoice choice) noexcept;
std::string_view rounding_name(Rounding rounding) noexcept;

/// The choice that "auto", "nearest" or "stochastic" names; std::nullopt for other words.
std::optional<RoundingChoice> rounding_choice_from_user(std::string_view word) noexcept;

}  // namespace expo
