#pragma once

#include <string>

#include "expo/extrapolation/extrapolation_job.h"

namespace expo {

/// The report of an extrapolation as text for a person.
std::string describe(const ExtrapolationReport& report);

}  // namespace expo
