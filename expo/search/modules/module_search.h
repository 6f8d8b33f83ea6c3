#pragma once

#include "expo/search/strategy.h"

namespace expo {

/// With fewer of the first eight points, effects of the parameters cannot be told apart.
inline constexpr std::size_t kFewestModulePoints = 4;

/// Rows of each point in the first look; with fewer, nothing is asked.
inline constexpr std::size_t kFewestModuleRows = 20;

/// Most points that are asked: eight at first, and three more before each of two further looks.
inline constexpr std::size_t kMostModulePoints = 8 + 2 * 3;

/// Chooses among an α for each kind of module (see ModulePoint), from the best uniform α, `start`,
/// on: the candidates that the source makes of it (ScoreSource::module_candidate). Fills chosen,
/// looks and tokens of the choice; what is chosen is `start` where nothing is believed to be better
/// than it, where its α is not positive, where the source makes fewer than kFewestModulePoints such
/// candidates at first, and where the budget or the table is too small for kFewestModuleRows of
/// each. `options.tokens` is for this choice alone.
///
/// A first look asks for eight points around the start that vary all four parameters at once (a
/// half fraction of the two-level design), so that each answer tells of each parameter. After each
/// look, a belief over the space of the parameters (believe_modules) decides which points stay and
/// which new ones are asked for. Points whose first answers collapse are dropped unscored, as in a
/// race. The start always stays. All of this claims nothing.
Choice choose_modules(ScoreTable& table, std::size_t start, const SearchOptions& options);

}  // namespace expo
