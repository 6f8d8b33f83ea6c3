// Runs the kernel over raw arrays, for tests in other languages:
//   kernel_runner SFT ALIGNED OUT SFT_TYPE ALIGNED_TYPE OUT_TYPE ALPHA ROUNDING SEED STREAM FIRST
//   ISA
// Files hold little-endian values; types are as in safetensors, ALPHA is anything that strtod
// takes, ROUNDING nearest, stochastic or like_original, ISA scalar, avx2 or avx512. Prints the sums
// as one JSON object. Exit code 77: this processor lacks ISA.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "expo/core/dtype.h"
#include "expo/extrapolation/kernel.h"

namespace {

using expo::DeltaSums;

std::vector<char> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string("cannot read ") + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const char* path, const std::vector<char>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error(std::string("cannot write ") + path);
}

expo::Rounding rounding_from(const std::string& word) {
  if (word == "stochastic") return expo::Rounding::stochastic;
  if (word == "like_original") return expo::Rounding::like_original;
  return expo::Rounding::nearest;
}

expo::InstructionSet instruction_set_from(const std::string& word) {
  if (word == "avx512") return expo::InstructionSet::avx512;
  if (word == "avx2") return expo::InstructionSet::avx2;
  return expo::InstructionSet::scalar;
}

void print(const DeltaSums& sums) {
  std::printf(
      "{\"elements\": %llu, \"changed\": %llu, \"lost\": %llu, \"nonfinite_inputs\": %llu, "
      "\"nonfinite_created\": %llu, \"theta_squared\": \"%a\", \"sft_squared\": \"%a\", "
      "\"theta_dot_sft\": \"%a\", \"delta_squared\": \"%a\", \"applied_dot_delta\": \"%a\"}\n",
      static_cast<unsigned long long>(sums.elements), static_cast<unsigned long long>(sums.changed),
      static_cast<unsigned long long>(sums.lost),
      static_cast<unsigned long long>(sums.nonfinite_inputs),
      static_cast<unsigned long long>(sums.nonfinite_created), sums.theta_squared, sums.sft_squared,
      sums.theta_dot_sft, sums.delta_squared, sums.applied_dot_delta);
}

int run(char** argument) {
  const expo::InstructionSet path = instruction_set_from(argument[12]);
  if (path > expo::best_instruction_set()) return 77;
  const std::vector<char> sft = read_file(argument[1]);
  const std::vector<char> aligned = read_file(argument[2]);
  expo::KernelInput input;
  input.sft_type = expo::dtype_from_safetensors(argument[4]).value();
  input.aligned_type = expo::dtype_from_safetensors(argument[5]).value();
  input.out_type = expo::dtype_from_safetensors(argument[6]).value();
  input.count = sft.size() / expo::byte_width(input.sft_type);
  std::vector<char> out(input.count * expo::byte_width(input.out_type));
  input.sft = reinterpret_cast<const std::byte*>(sft.data());
  input.aligned = reinterpret_cast<const std::byte*>(aligned.data());
  input.out = reinterpret_cast<std::byte*>(out.data());
  input.alpha = std::strtod(argument[7], nullptr);
  input.rounding = rounding_from(argument[8]);
  input.seed = std::strtoull(argument[9], nullptr, 10);
  input.stream = std::strtoull(argument[10], nullptr, 10);
  input.first_element = std::strtoull(argument[11], nullptr, 10);
  print(expo::extrapolate(input, path));
  write_file(argument[3], out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 13) return run(argv);
    std::fprintf(stderr, "usage: see the head of kernel_runner.cpp\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel_runner: %s\n", error.what());
  }
  return 2;
}
