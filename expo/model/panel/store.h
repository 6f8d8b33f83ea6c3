#pragma once

#include <memory>

#include "expo/model/weight_store.h"

namespace expo {

/// Makes a store of panels in this machine's memory (panel_layout.h), the layout that the CPU
/// computes with fastest.
std::unique_ptr<WeightStore> make_panel_store(const Architecture& architecture, DType dtype);

}  // namespace expo
