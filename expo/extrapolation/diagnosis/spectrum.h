#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/diagnosis/diagnosis.h"

namespace expo {

struct SpectrumOptions {
  unsigned threads = 0;  ///< 0: available_threads()
  /// Fewer matrices are worked on at the same time where they would take more bytes than this; one
  /// alone may take more.
  std::uint64_t memory = std::uint64_t{2} << 30;
  Progress* progress = nullptr;
};

/// Adds the singular values of Δ of each matrix that both checkpoints of a diagnosis have (a tensor
/// of two dimensions, in its common rows): as many as its smaller side has. They are the roots of
/// the eigenvalues of ΔΔᵀ or ΔᵀΔ, whichever is smaller, in float64. So their squares are exact to
/// some 1e-13 of the largest square, and values that cannot be told from 0, below about a millionth
/// of the largest, are 0. Elements of Δ that are not finite count as 0.
///
/// Reads the matrices once, block by block. A matrix whose smaller side is n takes 16·n² bytes and
/// some 20 MB. Time grows with n² times the larger side: seconds for a model of 576 columns, some
/// minutes of a core for each matrix of 4096. Each matrix is worked on by one thread, so results do
/// not depend on their number. Throws Error: input (a file was cut short), interrupted, which is
/// noticed between blocks and between matrices.
void add_spectra(const Checkpoint& sft, const Checkpoint& aligned, Diagnosis& diagnosis,
                 const SpectrumOptions& options, const CancellationToken& cancellation);

/// Σσ² / σ₁², 1 to the number of values: how many directions of the largest size would hold as much
/// of ‖Δ‖². 0 without values above 0.
double stable_rank(std::span<const double> spectrum);

/// exp of the entropy of σᵢ / Σσ (Roy and Vetterli, 2007), 1 to the number of values; 0 without
/// values above 0.
double effective_rank(std::span<const double> spectrum);

/// The numbers of leading values whose shares reports name.
inline constexpr std::array<std::size_t, 4> kLeadingValues{1, 4, 16, 64};

/// The spectra of all matrices of one kind.
struct KindSpectra {
  std::string kind;
  std::size_t matrices = 0;  ///< with Δ ≠ 0
  double full_rank = 0;      ///< the median of their smaller sides
  double stable_rank = 0;    ///< the median, like the next one
  double effective_rank = 0;
  /// The share of the ‖Δ‖² of all of them that the leading values of each hold together.
  std::array<double, kLeadingValues.size()> leading{};
};

/// In order of first appearance; kinds without a spectrum of values above 0 are left out.
std::vector<KindSpectra> spectra_by_kind(const Diagnosis& diagnosis);

}  // namespace expo
