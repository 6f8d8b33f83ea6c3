// consumer SFT ALIGNED OUT ALPHA: extrapolates by way of the library, and prints what became of the
// change.

#include <expo/core/error.h>
#include <expo/extrapolation/extrapolation_job.h>

#include <exception>
#include <iostream>
#include <string>

namespace {

expo::ExtrapolationReport extrapolate(char** argv) {
  expo::ExtrapolationJob job;
  job.sft = argv[1];
  job.aligned = argv[2];
  job.output = argv[3];
  job.alpha = expo::AlphaSchedule(std::stod(argv[4]));
  job.command = "consumer";
  const expo::CancellationToken never;
  return expo::run_extrapolation(expo::posix_filesystem(), expo::hugging_face_environment(), job,
                                 nullptr, never);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: consumer SFT ALIGNED OUT ALPHA\n";
    return 2;
  }
  try {
    std::cout << expo::to_json(extrapolate(argv)).at("delta").dump() << "\n";
    return 0;
  } catch (const expo::Error& error) {
    std::cerr << "consumer: " << error.what() << "\n";
    return expo::exit_code(error.category());
  } catch (const std::exception& error) {
    std::cerr << "consumer: " << error.what() << "\n";
    return 2;
  }
}
