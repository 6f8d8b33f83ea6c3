#include "expo/cli/command.h"

int main(int argc, char** argv) {
  return expo::run_program(argc, argv, expo::catch_signals(), {});
}
