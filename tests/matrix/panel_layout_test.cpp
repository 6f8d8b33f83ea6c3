#include "expo/matrix/panel_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

/// The position of an element according to PanelLayout's documentation.
std::size_t place(std::size_t row, std::size_t column, std::size_t padded, std::size_t pair) {
  return ((row / 16 * (padded / pair) + column / pair) * 16 + row % 16) * pair + column % pair;
}

template <typename Element>
void check(std::int64_t rows, std::int64_t columns, DType dtype) {
  const PanelLayout layout(rows, columns, dtype);
  std::vector<Element> values(static_cast<std::size_t>(rows * columns));
  std::iota(values.begin(), values.end(), Element{1});
  std::vector<Element> storage(layout.bytes() / sizeof(Element), Element{0});
  const auto row_bytes = static_cast<std::size_t>(columns) * sizeof(Element);
  // The rows are packed in two pieces that do not end on a panel.
  const std::int64_t cut = rows / 3;
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  auto* panels = reinterpret_cast<std::byte*>(storage.data());
  layout.pack(cut, rows - cut, bytes + static_cast<std::size_t>(cut) * row_bytes, panels);
  layout.pack(0, cut, bytes, panels);
  const std::size_t pair = sizeof(Element) == 2 ? 2 : 1;
  std::size_t others = storage.size();
  for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c, --others) {
      ASSERT_EQ(storage[place(r, c, static_cast<std::size_t>(layout.padded_columns()), pair)],
                values[r * static_cast<std::size_t>(columns) + c]);
    }
  }
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(storage, Element{0})), others);
  std::vector<Element> back(values.size());
  layout.unpack(0, rows, panels, reinterpret_cast<std::byte*>(back.data()));
  EXPECT_EQ(back, values);
}

TEST(PanelLayout, PutsEveryElementInItsPlaceAndZerosBesides) {
  for (const auto& [rows, columns] : {std::pair{16, 32}, {50, 64}, {33, 45}, {7, 6}, {64, 31}}) {
    check<std::uint16_t>(rows, columns, DType::bf16);
    check<float>(rows, columns, DType::f32);
  }
}

TEST(PanelLayout, TakesTheTypesThatModelsRunIn) {
  EXPECT_THROW(PanelLayout(16, 16, DType::f16), Error);
}

}  // namespace
}  // namespace expo
