#include "expo/cli/command.h"
#include "expo/embedded/embedded_engine.h"
#include "expo/program/train_command.h"

int main(int argc, char** argv) {
  return expo::run_program(argc, argv, expo::catch_signals(), expo::open_embedded_engine,
                           {{"train", expo::declare_train}});
}
