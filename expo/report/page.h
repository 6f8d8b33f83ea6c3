#pragma once

#include <string_view>

namespace expo {

/// The page that shows runs, made from the folder `page` when the program is built: one HTML file
/// with a place for the data.
struct Page {
  std::string_view before;  ///< the data
  std::string_view after;
};

/// Splits a page at its one place for data.
Page split_page(std::string_view html);

/// The page in this program.
Page embedded_page();

}  // namespace expo
