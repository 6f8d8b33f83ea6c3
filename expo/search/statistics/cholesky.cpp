#include "expo/search/statistics/cholesky.h"

#include <cmath>
#include <utility>

namespace expo {

std::optional<Cholesky> Cholesky::of(const SquareMatrix& matrix) {
  const std::size_t n = matrix.size();
  SquareMatrix factor(n);
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t column = 0; column <= row; ++column) {
      double rest = matrix(row, column);
      for (std::size_t k = 0; k < column; ++k) rest -= factor(row, k) * factor(column, k);
      if (row != column) {
        factor(row, column) = rest / factor(column, column);
      } else if (rest > 0) {
        factor(row, row) = std::sqrt(rest);
      } else {
        return std::nullopt;
      }
    }
  }
  return Cholesky(std::move(factor));
}

std::vector<double> Cholesky::solve_lower(std::span<const double> right) const {
  std::vector<double> result(right.begin(), right.end());
  for (std::size_t row = 0; row < result.size(); ++row) {
    for (std::size_t k = 0; k < row; ++k) result[row] -= factor_(row, k) * result[k];
    result[row] /= factor_(row, row);
  }
  return result;
}

std::vector<double> Cholesky::solve(std::span<const double> right) const {
  std::vector<double> result = solve_lower(right);
  for (std::size_t row = result.size(); row-- > 0;) {
    for (std::size_t k = row + 1; k < result.size(); ++k)
      result[row] -= factor_(k, row) * result[k];
    result[row] /= factor_(row, row);
  }
  return result;
}

std::vector<double> Cholesky::times(std::span<const double> right) const {
  std::vector<double> result(right.size());
  for (std::size_t row = 0; row < right.size(); ++row) {
    for (std::size_t k = 0; k <= row; ++k) result[row] += factor_(row, k) * right[k];
  }
  return result;
}

SquareMatrix Cholesky::inverse() const {
  const std::size_t n = factor_.size();
  SquareMatrix result(n);
  std::vector<double> unit(n);
  for (std::size_t column = 0; column < n; ++column) {
    unit.assign(n, 0.0);
    unit[column] = 1;
    const std::vector<double> solved = solve(unit);
    for (std::size_t row = 0; row < n; ++row) result(row, column) = solved[row];
  }
  return result;
}

double Cholesky::log_determinant() const {
  double result = 0;
  for (std::size_t i = 0; i < factor_.size(); ++i) result += 2 * std::log(factor_(i, i));
  return result;
}

}  // namespace expo
