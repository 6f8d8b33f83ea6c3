#pragma once

namespace expo {

/// A place on the scale on which neighbouring α resemble each other: logarithmic far from 0,
/// linear near it, odd.
double log_place(double alpha);
double alpha_at(double place);  ///< the inverse

}  // namespace expo
