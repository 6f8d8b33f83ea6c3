#include <bit>
#include <cstring>

#include "expo/core/float_formats.h"
#include "expo/model/panel/decoder.h"
#include "expo/model/panel/store.h"
#include "expo/model/panel/weights.h"
#include "expo/model/weight_store.h"

namespace expo {
namespace {

float widen(const std::byte* value, DType dtype) {
  if (dtype == DType::f32) {
    float result = 0;
    std::memcpy(&result, value, sizeof result);
    return result;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, value, sizeof bits);
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

void narrow(float value, DType dtype, std::byte* out) {
  if (dtype == DType::f32) {
    std::memcpy(out, &value, sizeof value);
    return;
  }
  // The value was bfloat16 before, so nothing is lost.
  const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
  std::memcpy(out, &bits, sizeof bits);
}

std::vector<std::uint64_t> shape_of(const PanelWeights::Place& place) {
  if (const auto* vector = std::get_if<PanelVector*>(&place)) return {(*vector)->size()};
  const PanelLayout& layout = std::get<PanelMatrix*>(place)->layout;
  return {static_cast<std::uint64_t>(layout.rows()), static_cast<std::uint64_t>(layout.columns())};
}

class PanelStore final : public WeightStore {
 public:
  PanelStore(const Architecture& architecture, DType dtype)
      : WeightStore(dtype), width_(byte_width(dtype)), weights_(architecture, dtype) {
    for (const auto& [name, place] : weights_.named) {
      entries_.push_back({name, shape_of(place)});
      places_.push_back(place);
    }
  }

  void write(std::size_t entry, std::uint64_t first, std::span<const std::byte> values) override {
    if (auto* vector = std::get_if<PanelVector*>(&places_[entry])) {
      for (std::size_t i = 0; i * width_ < values.size(); ++i)
        (**vector)[first + i] = widen(values.data() + i * width_, dtype());
      return;
    }
    const PanelMatrix& matrix = *std::get<PanelMatrix*>(places_[entry]);
    const auto columns = static_cast<std::uint64_t>(matrix.layout.columns());
    matrix.layout.pack(static_cast<std::int64_t>(first / columns),
                       static_cast<std::int64_t>(values.size() / width_ / columns), values.data(),
                       matrix.storage);
  }

  std::vector<std::byte> read(std::size_t entry) const override {
    std::uint64_t elements = 1;
    for (const std::uint64_t size : entries_[entry].shape) elements *= size;
    std::vector<std::byte> values(elements * width_);
    if (const auto* vector = std::get_if<PanelVector*>(&places_[entry])) {
      for (std::size_t i = 0; i < elements; ++i)
        narrow((**vector)[i], dtype(), values.data() + i * width_);
    } else {
      const PanelMatrix& matrix = *std::get<PanelMatrix*>(places_[entry]);
      matrix.layout.unpack(0, matrix.layout.rows(), matrix.storage, values.data());
    }
    return values;
  }

  std::uint64_t bytes() const override { return weights_.bytes(); }

  std::unique_ptr<Decoder> make_decoder(const Architecture& architecture,
                                        unsigned threads) const override {
    return std::make_unique<PanelDecoder>(architecture, weights_, threads);
  }

 private:
  std::size_t width_;
  PanelWeights weights_;
  std::vector<PanelWeights::Place> places_;
};

}  // namespace

std::unique_ptr<WeightStore> make_panel_store(const Architecture& architecture, DType dtype) {
  return std::make_unique<PanelStore>(architecture, dtype);
}

}  // namespace expo
