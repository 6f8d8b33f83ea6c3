#pragma once

#include <sys/types.h>

#include <string>

namespace expo {

/// A started shell, with this program's ends of its pipes, which do not block.
struct ShellProcess {
  pid_t process = -1;  ///< also the number of its process group
  int input = -1;
  int output = -1;
  int complaints = -1;  ///< its standard error
};

/// Starts `sh -c COMMAND` in a process group of its own, with signals as a shell expects them, no
/// other files of this program open, and PYTHONUNBUFFERED set. The caller closes the pipes and
/// waits for the process. Throws Error(environment).
ShellProcess spawn_shell(const std::string& command);

}  // namespace expo
