#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "expo/core/error.h"
#include "expo/core/progress.h"

namespace expo {

/// Rows that several workers share, a part at a time, each worker in a thread of its own. What a
/// worker has left undone when it fails goes to the others.
class SharedRows {
 public:
  /// The rows that a worker has at a time.
  class Part {
   public:
    /// Their numbers among all.
    const std::vector<std::size_t>& rows() const { return rows_; }
    /// Marks rows()[index] as done and calls `pass_on`, one call at a time of all workers.
    void finish(std::size_t index, const std::function<void()>& pass_on);
    /// Calls it, one call at a time of all workers.
    void report(const std::function<void()>& call);
    /// Is cancelled with the work as a whole.
    const CancellationToken& cancellation() const { return shared_.stop_; }

   private:
    friend class SharedRows;
    Part(SharedRows& shared, std::vector<std::size_t> rows)
        : shared_(shared), rows_(std::move(rows)), is_done_(rows_.size(), false) {}

    SharedRows& shared_;
    std::vector<std::size_t> rows_;
    std::vector<bool> is_done_;
  };
  using Work = std::function<void(std::size_t worker, Part& part)>;

  /// Parts have at most `most` rows, fewer where all are soon given out.
  SharedRows(std::size_t rows, std::size_t workers, std::size_t most);

  /// Returns the failure of each worker that has failed by its environment. Throws, once all
  /// workers have ended: any other failure, the first that was; what a function that was passed to
  /// a part threw; the last worker's failure if rows are left.
  std::vector<std::optional<Error>> run(const Work& work, const CancellationToken& cancellation);

 private:
  void serve(std::size_t worker, const Work& work);
  void fail(std::size_t worker, const Error& failure);
  std::optional<Part> next();
  void take_back(const Part& part);
  void guarded(const std::function<void()>& call);
  void stop_with(std::exception_ptr failure);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::size_t> left_;
  std::size_t given_out_ = 0;  ///< rows that are not done yet and with a worker
  std::size_t workers_;
  std::size_t most_;
  std::size_t ended_ = 0;
  std::exception_ptr fatal_;
  std::vector<std::optional<Error>> failures_;
  std::optional<Error> last_failure_;
  CancellationToken stop_;
};

}  // namespace expo
