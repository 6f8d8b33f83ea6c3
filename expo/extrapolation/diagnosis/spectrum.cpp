#include "expo/extrapolation/diagnosis/spectrum.h"

// Threads are this program's own.
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;  ///< elements of Δ at a time
/// Columns that are read together are a multiple of this, so that no block of a quantised format is
/// read twice.
constexpr std::uint64_t kColumnStep = 256;

/// Where a matrix is in the two checkpoints.
struct Matrix {
  std::size_t diagnosed = 0;
  std::size_t sft = 0;
  std::size_t aligned = 0;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;

  std::uint64_t smaller() const { return std::min(rows, columns); }
  std::uint64_t elements() const { return rows * columns; }
};

/// ΔᵀΔ or ΔΔᵀ, whichever is smaller, and its eigenvalues.
class Decomposition {
 public:
  Decomposition(const Checkpoint& sft, const Checkpoint& aligned, const Matrix& matrix,
                const CancellationToken& cancellation)
      : sft_(sft), aligned_(aligned), matrix_(matrix), cancellation_(cancellation) {}

  std::vector<double> singular_values() {
    const auto side = static_cast<Eigen::Index>(matrix_.smaller());
    gram_.setZero(side, side);
    if (matrix_.columns <= matrix_.rows) {
      add_rows();
    } else {
      add_columns();
    }
    cancellation_.check();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram_, Eigen::EigenvaluesOnly);
    if (solver.info() != Eigen::Success)
      throw input_error(aligned_.tensors()[matrix_.aligned].name +
                        ": the singular values of its change could not be computed");
    return roots(solver.eigenvalues());
  }

 private:
  /// Δ in blocks of whole rows.
  void add_rows() {
    const std::uint64_t step = std::max<std::uint64_t>(1, kBlock / matrix_.columns);
    for (std::uint64_t row = 0; row < matrix_.rows; row += step) {
      const std::uint64_t count = std::min(step, matrix_.rows - row);
      resize(count, matrix_.columns);
      read(row * matrix_.columns, count * matrix_.columns, delta_.data());
      gram_.selfadjointView<Eigen::Lower>().rankUpdate(delta_.transpose());
    }
  }

  /// Δ in blocks of whole columns.
  void add_columns() {
    const std::uint64_t step =
        std::max<std::uint64_t>(1, kBlock / matrix_.rows / kColumnStep) * kColumnStep;
    for (std::uint64_t column = 0; column < matrix_.columns; column += step) {
      const std::uint64_t count = std::min(step, matrix_.columns - column);
      resize(matrix_.rows, count);
      for (std::uint64_t row = 0; row < matrix_.rows; ++row)
        read(row * matrix_.columns + column, count, delta_.data() + row * count);
      gram_.selfadjointView<Eigen::Lower>().rankUpdate(delta_);
    }
  }

  void resize(std::uint64_t rows, std::uint64_t columns) {
    delta_.resize(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
  }

  /// Puts consecutive elements of Δ into `to`.
  void read(std::uint64_t first, std::uint64_t count, double* to) {
    cancellation_.check();
    values(aligned_, matrix_.aligned, first, count, to);
    other_.resize(count);
    values(sft_, matrix_.sft, first, count, other_.data());
    for (std::uint64_t i = 0; i < count; ++i) {
      const double difference = to[i] - other_[i];
      to[i] = std::isfinite(difference) ? difference : 0;
    }
  }

  void values(const Checkpoint& checkpoint, std::size_t tensor, std::uint64_t first,
              std::uint64_t count, double* to) {
    const auto bytes = checkpoint.read(tensor, first, count, scratch_);
    convert_values(bytes.data(), checkpoint.tensors()[tensor].dtype,
                   reinterpret_cast<std::byte*>(to), DType::f64, count);
  }

  /// Descending; an eigenvalue within the error of the largest one is 0.
  static std::vector<double> roots(const Eigen::VectorXd& ascending) {
    std::vector<double> result;
    if (ascending.size() == 0) return result;
    const double error = static_cast<double>(ascending.size()) *
                         std::numeric_limits<double>::epsilon() * ascending[ascending.size() - 1];
    for (Eigen::Index i = ascending.size(); i-- > 0;)
      result.push_back(ascending[i] > error ? std::sqrt(ascending[i]) : 0);
    return result;
  }

  const Checkpoint& sft_;
  const Checkpoint& aligned_;
  const Matrix& matrix_;
  const CancellationToken& cancellation_;
  Eigen::MatrixXd gram_;
  RowMajor delta_;
  std::vector<double> other_;
  ReadScratch scratch_;
};

std::vector<Matrix> matrices_of(const Checkpoint& sft, const Checkpoint& aligned,
                                const Diagnosis& diagnosis) {
  std::vector<Matrix> matrices;
  for (std::size_t i = 0; i < diagnosis.tensors.size(); ++i) {
    const TensorDiagnosis& tensor = diagnosis.tensors[i];
    const auto after = aligned.find(tensor.name);
    const auto before = sft.find(tensor.name);
    if (!after || !before || tensor.compared == 0) continue;
    const auto& shape = aligned.tensors()[*after].shape;
    const auto& other = sft.tensors()[*before].shape;
    if (shape.size() != 2 || other.size() != 2 || shape[1] != other[1]) continue;
    matrices.push_back({i, *before, *after, tensor.compared / shape[1], shape[1]});
  }
  return matrices;
}

/// As many as the memory allows of the largest.
unsigned workers_for(const std::vector<Matrix>& matrices, const SpectrumOptions& options) {
  std::uint64_t largest = 1;
  for (const Matrix& matrix : matrices) largest = std::max(largest, matrix.smaller());
  const std::uint64_t bytes = 2 * sizeof(double) * largest * largest + 3 * sizeof(double) * kBlock;
  const unsigned threads = options.threads == 0 ? available_threads() : options.threads;
  return static_cast<unsigned>(std::clamp<std::uint64_t>(options.memory / bytes, 1, threads));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double sum_of_squares(std::span<const double> values) {
  return std::transform_reduce(values.begin(), values.end(), 0.0, std::plus<>(),
                               [](double value) { return value * value; });
}

std::span<const double> leading(std::span<const double> spectrum, std::size_t count) {
  return spectrum.first(std::min(count, spectrum.size()));
}

KindSpectra summarise(const std::string& kind, const std::vector<std::span<const double>>& all) {
  KindSpectra result{kind, all.size()};
  const auto median_of = [&](const auto& measure) {
    std::vector<double> values;
    for (const auto each : all) values.push_back(measure(each));
    return median(std::move(values));
  };
  result.full_rank = median_of([](auto each) { return static_cast<double>(each.size()); });
  result.stable_rank = median_of([](auto each) { return stable_rank(each); });
  result.effective_rank = median_of([](auto each) { return effective_rank(each); });
  double whole = 0;
  for (const auto each : all) whole += sum_of_squares(each);
  for (std::size_t i = 0; i < kLeadingValues.size(); ++i) {
    for (const auto each : all)
      result.leading[i] += sum_of_squares(leading(each, kLeadingValues[i])) / whole;
  }
  return result;
}

}  // namespace

void add_spectra(const Checkpoint& sft, const Checkpoint& aligned, Diagnosis& diagnosis,
                 const SpectrumOptions& options, const CancellationToken& cancellation) {
  const std::vector<Matrix> matrices = matrices_of(sft, aligned, diagnosis);
  const auto bytes_of = [&](const Matrix& matrix) {
    return matrix.elements() * (byte_width(aligned.tensors()[matrix.aligned].dtype) +
                                byte_width(sft.tensors()[matrix.sft].dtype));
  };
  std::uint64_t bytes = 0;
  for (const Matrix& matrix : matrices) bytes += bytes_of(matrix);
  if (options.progress) options.progress->begin("Decomposing", bytes);
  parallel_for(matrices.size(), workers_for(matrices, options), [&](std::size_t i, unsigned) {
    const Matrix& matrix = matrices[i];
    diagnosis.tensors[matrix.diagnosed].spectrum =
        Decomposition(sft, aligned, matrix, cancellation).singular_values();
    if (options.progress) options.progress->advance(bytes_of(matrix));
  });
  if (options.progress) options.progress->end();
  diagnosis.has_spectra = true;
}

double stable_rank(std::span<const double> spectrum) {
  if (spectrum.empty() || spectrum.front() == 0) return 0;
  return sum_of_squares(spectrum) / (spectrum.front() * spectrum.front());
}

double effective_rank(std::span<const double> spectrum) {
  const double sum = std::accumulate(spectrum.begin(), spectrum.end(), 0.0);
  if (sum == 0) return 0;
  double entropy = 0;
  for (const double value : spectrum) {
    if (value > 0) entropy -= value / sum * std::log(value / sum);
  }
  return std::exp(entropy);
}

std::vector<KindSpectra> spectra_by_kind(const Diagnosis& diagnosis) {
  std::vector<std::pair<std::string, std::vector<std::span<const double>>>> groups;
  std::map<std::string, std::size_t> places;
  for (const TensorDiagnosis& tensor : diagnosis.tensors) {
    if (tensor.spectrum.empty() || tensor.spectrum.front() == 0) continue;
    const auto [place, fresh] = places.try_emplace(kind_label(tensor.group), groups.size());
    if (fresh) groups.push_back({place->first, {}});
    groups[place->second].second.push_back(tensor.spectrum);
  }
  std::vector<KindSpectra> result;
  for (const auto& [kind, spectra] : groups) result.push_back(summarise(kind, spectra));
  return result;
}

}  // namespace expo
