#pragma once

#include <cstdint>
#include <string_view>

namespace expo {

/// The seed of one answer: 53 bits, which every reader of JSON keeps, that depend on the run's
/// seed, the prompt's id and the number of the sample only. One seed for all requests would draw
/// the same stream for each.
std::uint64_t request_seed(std::uint64_t seed, std::string_view prompt_id, std::uint32_t sample);

}  // namespace expo
