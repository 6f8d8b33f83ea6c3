#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "expo/core/progress.h"

namespace expo {

/// A shell command that answers each line of its input with a line of output. It runs in a process
/// group of its own, so that it can be ended with all that it has started, and a signal from the
/// terminal does not reach it. Not thread-safe.
class LineProcess {
 public:
  struct Limits {
    /// The longest time in which nothing is read from or written to it.
    std::chrono::milliseconds stall{60'000};
    /// For ending by itself once its input has ended.
    std::chrono::milliseconds farewell{2'000};
  };

  enum class Outcome {
    done,
    ended,    ///< the process did
    stalled,  ///< nothing moved for too long
    surplus,  ///< it has printed more than it was asked for
    endless,  ///< it has printed a line without end
  };

  /// What came back. After any outcome but `done`, the process has been ended.
  struct Exchange {
    std::size_t lines = 0;
    Outcome outcome = Outcome::done;
    std::string what;       ///< "has ended with exit status 3"; empty if done
    std::string complaint;  ///< the last line of its standard error; empty if done
  };

  /// Starts `sh -c COMMAND`, with PYTHONUNBUFFERED set, as Python would keep its output back
  /// otherwise. Throws Error(environment) if it cannot be started.
  LineProcess(const std::string& command, Limits limits);
  /// Closes its input, and kills it and what it has started if it has not ended after the farewell.
  ~LineProcess();
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;

  /// Is given each line as it comes, with its number from 0; may throw to end the process.
  using Reader = std::function<void(std::size_t number, const std::string& line)>;

  /// Writes `text` and reads until `count` lines have come back, each as far as the process goes
  /// along, so that neither waits for the other. A line too many is found at once if it comes with
  /// the last one or in the moment after it, otherwise at the next exchange. Call it only while all
  /// went well before. Throws Error(interrupted) once cancelled, and what `reader` throws, with the
  /// process ended.
  Exchange exchange(std::string_view text, std::size_t count, const Reader& reader,
                    const CancellationToken& cancellation);

  /// Closes its input and ends it as the destructor does, but reads what it still prints, and
  /// returns that: whole lines and a last one that may be torn. Call it only while all went well
  /// before.
  std::string finish();

 private:
  void converse(Exchange& exchange, std::string_view text, std::size_t count,
                const CancellationToken& cancellation);
  bool write_some(std::string_view& text);
  bool read_some();
  void read_complaints();
  void wait(bool to_write, std::chrono::milliseconds time) const;
  void take_lines(Exchange& exchange, std::size_t count);
  void check_idle(Exchange& exchange, std::size_t count, bool to_write,
                  std::chrono::steady_clock::time_point moved);
  void fail(Exchange& exchange, Outcome outcome, std::string what);
  bool ended_within(std::chrono::milliseconds time) const;
  std::string describe_end() const;
  void end(std::chrono::milliseconds farewell);

  Limits limits_;
  pid_t process_ = -1;
  // The ends of the pipes to it; −1: closed.
  int input_ = -1;
  int output_ = -1;
  int complaints_ = -1;
  const Reader* reader_ = nullptr;
  std::string unread_;      ///< output that is not a whole line yet
  std::string last_words_;  ///< the end of its standard error
};

}  // namespace expo
