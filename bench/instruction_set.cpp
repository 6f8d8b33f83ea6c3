// Prints the instruction set with which models run here: this processor's best, or what EXPO_ISA
// chooses.

#include <iostream>

#include "expo/matrix/kernels.h"

int main() {
  std::cout << expo::kernels().name << "\n";
}
