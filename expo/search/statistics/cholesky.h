#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace expo {

/// A small dense square matrix.
class SquareMatrix {
 public:
  explicit SquareMatrix(std::size_t size, double diagonal = 0) : size_(size), values_(size * size) {
    for (std::size_t i = 0; i < size; ++i) (*this)(i, i) = diagonal;
  }
  double& operator()(std::size_t row, std::size_t column) { return values_[row * size_ + column]; }
  double operator()(std::size_t row, std::size_t column) const {
    return values_[row * size_ + column];
  }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::vector<double> values_;
};

/// The Cholesky factor L of a symmetric positive definite matrix A = L·Lᵀ.
class Cholesky {
 public:
  /// std::nullopt if the matrix is not positive definite.
  static std::optional<Cholesky> of(const SquareMatrix& matrix);

  std::vector<double> solve(std::span<const double> right) const;        ///< A⁻¹·right
  std::vector<double> solve_lower(std::span<const double> right) const;  ///< L⁻¹·right
  std::vector<double> times(std::span<const double> right) const;        ///< L·right
  SquareMatrix inverse() const;                                          ///< A⁻¹
  double log_determinant() const;                                        ///< of A

 private:
  explicit Cholesky(SquareMatrix factor) : factor_(std::move(factor)) {}
  SquareMatrix factor_;
};

}  // namespace expo
