#include "expo/checkpoint/torch/strided_layout.h"

#include <algorithm>
#include <cstring>

namespace expo {
namespace {

constexpr std::uint64_t kWindow = std::uint64_t{4} << 20;  ///< maximum bytes of one read
/// Reading across a gap of this many bytes costs as much as a separate call.
constexpr std::uint64_t kCheapGap = std::uint64_t{32} << 10;

/// One dimension of a box of elements: its size, and its steps in the storage and in the output.
struct Dimension {
  std::uint64_t count = 0;
  std::uint64_t source = 0;
  std::uint64_t target = 0;
};

template <std::size_t Width>
void copy_run(const std::byte* source, std::byte* target, const Dimension& run) {
  const std::uint64_t source_step = run.source * Width;
  const std::uint64_t target_step = run.target * Width;
  for (std::uint64_t i = 0; i < run.count; ++i) {
    std::memcpy(target + i * target_step, source + i * source_step, Width);
  }
}

void copy_run(std::size_t width, const std::byte* source, std::byte* target, const Dimension& run) {
  if (run.source == 1 && run.target == 1) {
    std::memcpy(target, source, static_cast<std::size_t>(run.count) * width);
  } else if (width == 1) {
    copy_run<1>(source, target, run);
  } else if (width == 2) {
    copy_run<2>(source, target, run);
  } else if (width == 4) {
    copy_run<4>(source, target, run);
  } else {
    copy_run<8>(source, target, run);
  }
}

/// Copies a whole box from memory. No dimension is empty.
void copy_box(std::size_t width, const std::byte* source, std::byte* target,
              std::span<const Dimension> box) {
  if (box.size() == 1) return copy_run(width, source, target, box[0]);
  for (std::uint64_t i = 0; i < box[0].count; ++i) {
    copy_box(width, source + i * box[0].source * width, target + i * box[0].target * width,
             box.subspan(1));
  }
}

/// Fetches a box of elements. Its dimensions are ordered by descending step in the storage, so that
/// the inner ones are close together.
class BoxGatherer {
 public:
  BoxGatherer(std::size_t width, const StorageReader& read, std::byte* out,
              std::vector<Dimension> box)
      : width_(width), read_(read), out_(out), box_(std::move(box)), spans_(box_.size() + 1, 1) {
    for (std::size_t d = box_.size(); d-- > 0;) {
      spans_[d] = spans_[d + 1] + (box_[d].count - 1) * box_[d].source;
    }
    // The outermost dimension below which one read covers everything.
    joined_ = box_.size();
    while (joined_ > 0 && joins(joined_ - 1) && spans_[joined_ - 1] * width_ <= kWindow) --joined_;
  }

  void gather(std::uint64_t source, std::uint64_t target) { gather(0, source, target); }

 private:
  bool joins(std::size_t d) const {
    return box_[d].source * width_ <= spans_[d + 1] * width_ + kCheapGap;
  }

  void gather(std::size_t d, std::uint64_t source, std::uint64_t target) {
    if (d == joined_) return fetch(d, source, target);
    const std::uint64_t step = d + 1 == joined_ && joins(d) ? per_window(d) : 1;
    const Dimension whole = box_[d];
    for (std::uint64_t i = 0; i < whole.count; i += step) {
      const std::uint64_t from = source + i * whole.source;
      const std::uint64_t to = target + i * whole.target;
      box_[d].count = std::min(step, whole.count - i);
      if (step == 1) {
        gather(d + 1, from, to);
      } else {
        fetch(d, from, to);
      }
    }
    box_[d] = whole;
  }

  /// The number of steps of a dimension that fit into one read.
  std::uint64_t per_window(std::size_t d) const {
    return 1 + (kWindow / width_ - spans_[d + 1]) / box_[d].source;
  }

  /// Fetches the dimensions from d on with one read.
  void fetch(std::size_t d, std::uint64_t source, std::uint64_t target) {
    std::uint64_t span = spans_[std::min(d + 1, box_.size())];
    if (d < box_.size()) span += (box_[d].count - 1) * box_[d].source;
    const std::byte* bytes = read_(source, span).data();
    std::byte* out = out_ + target * width_;
    if (d == box_.size()) {
      std::memcpy(out, bytes, width_);
    } else {
      copy_box(width_, bytes, out, std::span(box_).subspan(d));
    }
  }

  std::size_t width_;
  const StorageReader& read_;
  std::byte* out_;
  std::vector<Dimension> box_;
  std::vector<std::uint64_t> spans_;  ///< storage elements that dimensions d and below span
  std::size_t joined_ = 0;
};

/// Cuts a row-major range into boxes: the rest of a row, whole rows, whole planes, and so on down
/// again.
class RangeCutter {
 public:
  explicit RangeCutter(const StridedLayout& layout)
      : layout_(layout), inner_(layout.shape.size() + 1, 1) {
    for (std::size_t d = layout.shape.size(); d-- > 0;) {
      inner_[d] = inner_[d + 1] * layout.shape[d];
    }
  }

  /// Cuts off the box that begins at element `first` of the tensor, with at most `count` elements,
  /// and returns its number of elements.
  std::uint64_t cut(std::uint64_t first, std::uint64_t count) {
    box.clear();
    source = layout_.offset;
    std::size_t whole = layout_.shape.size();  // dimensions from here on are complete
    while (whole > 0 && first % inner_[whole - 1] == 0 && count >= inner_[whole - 1]) --whole;
    for (std::size_t d = whole; d < layout_.shape.size(); ++d) add(d, layout_.shape[d]);
    std::uint64_t rows = 1;
    for (std::size_t d = 0; d < whole; ++d) {
      const std::uint64_t index = first / inner_[d + 1] % layout_.shape[d];
      source += index * layout_.stride[d];
      if (d + 1 < whole) continue;
      rows = std::min(layout_.shape[d] - index, count / inner_[d + 1]);
      add(d, rows);
    }
    std::ranges::stable_sort(box, std::ranges::greater{}, &Dimension::source);
    return rows * inner_[whole];
  }

  std::vector<Dimension> box;
  std::uint64_t source = 0;

 private:
  void add(std::size_t d, std::uint64_t count) {
    if (count > 1) box.push_back({count, layout_.stride[d], inner_[d + 1]});
  }

  const StridedLayout& layout_;
  std::vector<std::uint64_t> inner_;  ///< elements of dimensions d and below
};

bool has_no_elements(const StridedLayout& layout) {
  return std::ranges::count(layout.shape, std::uint64_t{0}) != 0;
}

}  // namespace

std::optional<std::uint64_t> reach(const StridedLayout& layout) noexcept {
  if (has_no_elements(layout)) return 0;
  std::uint64_t last = layout.offset;
  for (std::size_t d = 0; d < layout.shape.size(); ++d) {
    std::uint64_t way = 0;
    if (__builtin_mul_overflow(layout.shape[d] - 1, layout.stride[d], &way) ||
        __builtin_add_overflow(last, way, &last)) {
      return std::nullopt;
    }
  }
  if (__builtin_add_overflow(last, 1, &last)) return std::nullopt;
  return last;
}

bool is_contiguous(const StridedLayout& layout) noexcept {
  if (has_no_elements(layout)) return true;
  std::uint64_t expected = 1;
  for (std::size_t d = layout.shape.size(); d-- > 0;) {
    if (layout.shape[d] == 1) continue;
    if (layout.stride[d] != expected) return false;
    expected *= layout.shape[d];
  }
  return true;
}

void gather(const StridedLayout& layout, std::uint64_t first, std::uint64_t count,
            std::size_t width, const StorageReader& read, std::byte* out) {
  RangeCutter cutter(layout);
  while (count > 0) {
    const std::uint64_t taken = cutter.cut(first, count);
    BoxGatherer(width, read, out, cutter.box).gather(cutter.source, 0);
    out += taken * width;
    first += taken;
    count -= taken;
  }
}

}  // namespace expo
