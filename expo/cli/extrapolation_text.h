#pragma once

#include <string>

#include "expo/extrapolation/extrapolation_job.h"

namespace expo {

/// The report of an extrapolation as a person reads it.
std::string describe(const ExtrapolationReport& report);

}  // namespace expo
