#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/engine/engine.h"
#include "expo/served/dialect.h"

namespace expo {

// All of these throw Error(input) with a message that begins with `where`, says what is missing or
// wrong in a server's answer, and takes a server of another kind for the likely cause.

/// The member of an object.
const Json& member(const Json& object, const char* key, const std::string& where);
std::string text_member(const Json& object, const char* key, const std::string& where);
/// A text that names something: one of reasonable length, as it goes into records.
std::string name_member(const Json& object, const char* key, const std::string& where);
std::uint64_t count_member(const Json& object, const char* key, const std::string& where);
/// The elements of an array of objects in the order of their "index", which must be those from 0 to
/// count − 1, each once.
std::vector<const Json*> rows_by_index(const Json& array, std::size_t count,
                                       const std::string& where);
/// The only element of "choices".
const Json& only_choice(const Json& answer, const std::string& where);
/// "stop" or "length".
FinishReason finish_of(const Json& choice, const std::string& where);
/// "usage.completion_tokens".
std::uint64_t tokens_used(const Json& answer, const std::string& where);
/// "usage.prompt_tokens".
std::uint64_t prompt_tokens_used(const Json& answer, const std::string& where);
/// A number that a float can hold; `what` names it.
float finite(const Json& value, const std::string& what, const std::string& where);
/// The same at most 0, but for what rounding may add.
float log_prob(const Json& value, const std::string& what, const std::string& where);

/// Throws Error(input) if the server has read another number of tokens than were sent.
void check_prompt(std::uint64_t read, std::size_t sent, const std::string& where);
/// Throws Error(input) if the answer was cut by its length before the limit that was sent, and
/// before the context was full. `prompt_tokens`: 0 if they are not known.
void check_cut(const Answer& answer, const AskedAnswer& asked, std::uint64_t prompt_tokens,
               const std::string& where);

}  // namespace expo
