#include "expo/cli/command.h"
#include "expo/embedded/embedded_engine.h"

int main(int argc, char** argv) {
  return expo::run_program(argc, argv, expo::catch_signals(), expo::open_embedded_engine);
}
