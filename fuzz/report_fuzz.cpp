// Any bytes as one of the files of a run, of which a page is made: the first byte says which file.
#include <array>
#include <cstdint>
#include <string>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/report/report.h"
#include "report/unpacked.h"

namespace {

struct File {
  const char* name;
  const char* beginning;  ///< which the bytes follow
};

constexpr std::array kFiles{File{"/run/answers.jsonl", "{\"format\":\"expo-answers-1\"}\n"},
                            File{"/run/answers.jsonl", ""},
                            File{"/run/prompts.jsonl", ""},
                            File{"/run/samples.jsonl", ""},
                            File{"/run/sessions.jsonl", "{\"format\":\"expo-sessions-1\"}\n"},
                            File{"/run/trace.jsonl", ""},
                            File{"/run/search.json", ""},
                            File{"/run/run.json", ""},
                            File{"/inspection.json", ""}};

void check_page(expo::Filesystem& filesystem) {
  const expo::Json data = expo::data_of(filesystem.read_text("/report.html"));
  const expo::Json& run = data.at("runs").at(0);
  if (run.at("kind") != "search") return;
  const expo::Json& answers = run.at("answers");
  for (const auto& [name, column] : answers.items()) {
    if (column.size() != answers.at("text").size()) __builtin_trap();
  }
  for (const expo::Json& prompt : answers.at("prompt")) {
    if (prompt.get<std::size_t>() >= run.at("prompts").at("id").size()) __builtin_trap();
  }
  for (const expo::Json& label : answers.at("label")) {
    if (label.get<std::size_t>() >= run.at("labels").size()) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const File& file = kFiles.at(data[0] % kFiles.size());
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  expo::MemoryFilesystem filesystem;
  filesystem.create_directory("/run");
  filesystem.write_text("/run/run.json", "{\"expo\":\"0\",\"command\":\"search\",\"settings\":{}}");
  filesystem.write_text(file.name, file.beginning + bytes);
  const bool is_file = std::string(file.name) == "/inspection.json";
  try {
    const expo::CancellationToken token;
    expo::write_report(filesystem,
                       {{is_file ? "/inspection.json" : "/run"}, "/report.html", false, "", ""},
                       token);
  } catch (const expo::Error& error) {
    if (error.category() != expo::ErrorCategory::input) __builtin_trap();
    if (filesystem.exists("/report.html")) __builtin_trap();
    return 0;
  }
  check_page(filesystem);
  return 0;
}
