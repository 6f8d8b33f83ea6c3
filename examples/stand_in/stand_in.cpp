// expo_stand_in IN OUT RELATIVE SEED: a copy of a bfloat16 checkpoint whose matrices carry seeded
// random noise of RELATIVE times their own size. It stands in for what preference training makes of
// a model where no trained model is at hand: every step of an extrapolation can be shown with it,
// but its change means nothing.

#include <cmath>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/checkpoint/output/atomic_directory.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/float_formats.h"
#include "expo/core/parallel.h"
#include "expo/core/philox.h"
#include "expo/extrapolation/write/output_folder.h"

namespace {

using Values = std::vector<std::uint16_t>;

struct Noise {
  double relative = 0;
  std::uint64_t seed = 0;
};

/// Tensors are small enough here to be taken whole.
Values read_tensor(const expo::Checkpoint& checkpoint, std::size_t index) {
  expo::ReadScratch scratch;
  Values values(checkpoint.tensors()[index].elements());
  const auto bytes = checkpoint.read(index, 0, values.size(), scratch);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

double root_mean_square(const Values& values) {
  double sum = 0;
  for (const std::uint16_t bits : values) {
    const double value = expo::bf16_to_double(bits);
    sum += value * value;
  }
  return values.empty() ? 0 : std::sqrt(sum / static_cast<double>(values.size()));
}

/// Uniform noise whose root mean square is that of the values times noise.relative.
void disturb(Values& values, const Noise& noise, std::uint64_t stream) {
  const double half_width = std::sqrt(3.0) * noise.relative * root_mean_square(values);
  const expo::RandomStream random(noise.seed, stream);
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const auto words = random.block(i / 4);
    for (std::size_t k = 0; k < 4 && i + k < values.size(); ++k) {
      const double uniform = 2 * (words[k] / 4294967296.0) - 1;
      values[i + k] =
          expo::double_to_bf16(expo::bf16_to_double(values[i + k]) + half_width * uniform);
    }
  }
}

std::vector<expo::OutputTensor> output_tensors(const expo::Checkpoint& checkpoint) {
  std::vector<expo::OutputTensor> outputs;
  for (const expo::Tensor& tensor : checkpoint.tensors()) {
    if (tensor.dtype != expo::DType::bf16) {
      throw expo::input_error("\"" + tensor.name + "\" is " + tensor.stored +
                              "; the stand-in takes BF16 only: convert with --out-dtype bf16");
    }
    outputs.push_back({tensor.name, tensor.shape, tensor.dtype, expo::Encoding::plain});
  }
  return outputs;
}

void write_file(const expo::Checkpoint& checkpoint, const expo::OutputFile& file,
                const std::filesystem::path& folder, const Noise& noise) {
  const auto out = expo::posix_filesystem().create(folder / file.name, expo::Caching::buffered);
  out->write_at(0, std::as_bytes(std::span(file.head)));
  expo::parallel_for(file.pieces.size(), expo::available_threads(),
                     [&](std::size_t i, unsigned /*worker*/) {
                       const expo::OutputPiece& piece = file.pieces[i];
                       Values values = read_tensor(checkpoint, piece.tensor);
                       if (checkpoint.tensors()[piece.tensor].shape.size() >= 2)
                         disturb(values, noise, piece.tensor);
                       out->write_at(piece.offset, std::as_bytes(std::span(values)));
                     });
  out->sync();
  out->close();
}

void make_stand_in(const std::string& in, const std::string& out, const Noise& noise) {
  expo::Filesystem& filesystem = expo::posix_filesystem();
  const auto checkpoint =
      expo::open_checkpoint(filesystem, in, {}, expo::hugging_face_environment());
  const auto outputs = output_tensors(*checkpoint);
  const auto layout = expo::layout_safetensors(outputs, 5'000'000'000);
  expo::AtomicDirectoryOptions options;
  options.overwrite = true;
  options.inputs = expo::input_paths(expo::posix_filesystem(), *checkpoint);
  expo::AtomicDirectory directory(filesystem, out, options);
  for (const expo::OutputFile& file : layout.files)
    write_file(*checkpoint, file, directory.partial(), noise);
  expo::write_sidecars(filesystem, *checkpoint, outputs, directory.partial());
  expo::write_index(filesystem, layout, directory.partial());
  directory.commit();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: expo_stand_in IN OUT RELATIVE SEED\n";
    return 2;
  }
  try {
    make_stand_in(argv[1], argv[2], {std::stod(argv[3]), std::stoull(argv[4])});
    return 0;
  } catch (const expo::Error& error) {
    std::cerr << "expo_stand_in: " << error.what() << "\n";
    return expo::exit_code(error.category());
  } catch (const std::exception& error) {
    std::cerr << "expo_stand_in: " << error.what() << "\n";
    return 2;
  }
}
