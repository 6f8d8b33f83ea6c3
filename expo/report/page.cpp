#include "expo/report/page.h"

#include <stdexcept>

// EXPO_PAGE_FILE is set by cmake/report_page.cmake, which has this file compiled anew whenever the
// page changes.
asm(".section .rodata,\"a\",@progbits\n"
    ".global expo_page_begin\n"
    ".hidden expo_page_begin\n"
    ".global expo_page_end\n"
    ".hidden expo_page_end\n"
    "expo_page_begin:\n"
    ".incbin \"" EXPO_PAGE_FILE
    "\"\n"
    "expo_page_end:\n"
    ".previous\n");

extern "C" {
[[gnu::visibility("hidden")]] extern const char expo_page_begin[];
[[gnu::visibility("hidden")]] extern const char expo_page_end[];
}

namespace expo {
namespace {

constexpr std::string_view kPlace = "@EXPO_REPORT_DATA@";

}  // namespace

Page split_page(std::string_view html) {
  const std::size_t place = html.find(kPlace);
  if (place == std::string_view::npos || html.find(kPlace, place + 1) != std::string_view::npos)
    throw std::logic_error("the page does not have one place for its data");
  return {html.substr(0, place), html.substr(place + kPlace.size())};
}

Page embedded_page() {
  return split_page({expo_page_begin, static_cast<std::size_t>(expo_page_end - expo_page_begin)});
}

}  // namespace expo
