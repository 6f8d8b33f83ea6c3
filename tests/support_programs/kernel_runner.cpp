// Runs the kernel over raw arrays, for tests in other languages. Each line of standard input is a
// job, with tabs between its fields:
//   SFT ALIGNED OUT SFT_TYPE ALIGNED_TYPE OUT_TYPE ALPHA ROUNDING SEED STREAM FIRST ISA
// Files hold little-endian values; types are spelled as in safetensors, ALPHA as strtod accepts it,
// ROUNDING is nearest, stochastic or like_original, and ISA scalar, avx2 or avx512. Each line is
// answered with the sums as one JSON object, or with null if this processor lacks ISA.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "expo/core/dtype.h"
#include "expo/extrapolation/kernel/equation_2.h"

namespace {

using expo::DeltaSums;

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
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

std::vector<std::string> split(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> fields;
  for (std::string field; std::getline(stream, field, '\t');) fields.push_back(field);
  if (fields.size() != 12) throw std::runtime_error("a job has 12 fields: " + line);
  return fields;
}

void run(const std::vector<std::string>& job) {
  const expo::InstructionSet path = instruction_set_from(job[11]);
  if (path > expo::best_instruction_set()) {
    std::printf("null\n");
    return;
  }
  const std::vector<char> sft = read_file(job[0]);
  const std::vector<char> aligned = read_file(job[1]);
  expo::KernelInput input;
  input.sft_type = expo::dtype_from_safetensors(job[3]).value();
  input.aligned_type = expo::dtype_from_safetensors(job[4]).value();
  input.out_type = expo::dtype_from_safetensors(job[5]).value();
  input.count = sft.size() / expo::byte_width(input.sft_type);
  std::vector<char> out(input.count * expo::byte_width(input.out_type));
  input.sft = reinterpret_cast<const std::byte*>(sft.data());
  input.aligned = reinterpret_cast<const std::byte*>(aligned.data());
  input.out = reinterpret_cast<std::byte*>(out.data());
  input.alpha = std::strtod(job[6].c_str(), nullptr);
  input.rounding = rounding_from(job[7]);
  input.seed = std::strtoull(job[8].c_str(), nullptr, 10);
  input.stream = std::strtoull(job[9].c_str(), nullptr, 10);
  input.first_element = std::strtoull(job[10].c_str(), nullptr, 10);
  const DeltaSums sums = expo::extrapolate(input, path);
  write_file(job[2], out);
  print(sums);
}

}  // namespace

int main() {
  try {
    for (std::string line; std::getline(std::cin, line);) {
      run(split(line));
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel_runner: %s\n", error.what());
    return 2;
  }
  return 0;
}
