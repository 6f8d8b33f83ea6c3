#include "expo/cli/options/machine_options.h"

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/core/byte_size.h"
#include "expo/core/error.h"

namespace expo {

void MachineOptions::declare(CLI::App& command, const std::string& batch_description) {
  command.option_defaults()->group(help_section::kMachine);
  command
      .add_option("--device", device,
                  "auto (default: a GPU if one is usable, otherwise the CPU), cpu, cuda or cuda:N")
      ->type_name("WHERE");
  command
      .add_option("--dtype", dtype,
                  "auto (default: bf16, but f32 for a float32 checkpoint), f32 or bf16")
      ->type_name("TYPE");
  command.add_option("--batch-size", batch_size, batch_description)
      ->check(CLI::Range(std::size_t{1}, std::size_t{65536}))
      ->type_name("N");
  command.add_option("--threads", threads, "Number of threads; default: one for each processor")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command.add_flag(
      "--deterministic", deterministic,
      "Same output bytes whatever else is in the batch and after --resume; free on a CPU");
}

void MachineOptions::declare_cache(CLI::App& command) {
  command.option_defaults()->group(help_section::kMachine);
  command
      .add_option("--cache-size", cache_size,
                  "Most memory for cached keys and values; default: 4GB")
      ->type_name("SIZE");
}

void MachineOptions::set(EmbeddedSpec& spec) const {
  spec.device = device;
  spec.dtype = dtype;
  spec.max_sequences = batch_size;
  spec.cache_bytes = parse_byte_size(cache_size);
  spec.threads = threads;
  spec.deterministic = deterministic;
}

std::optional<DType> MachineOptions::weight_type() const {
  if (dtype == "auto") return std::nullopt;
  const auto type = dtype_from_user(dtype);
  if (type && (*type == DType::f32 || *type == DType::bf16 || *type == DType::f16)) return type;
  throw usage_error("--dtype: \"" + dtype +
                    "\" is not a type that servers hold weights in; expected auto, f32, bf16 or "
                    "f16");
}

}  // namespace expo
